/** How the largest body of a message and the server's max_allowed_packet belong together: a body has to go into one statement. */

/** Room in a packet for what a statement holds beside the body: headers, key and the statement's own text, bytes. */
const BESIDE_BODY = 64 * 1024;
/** A body stands in a statement as hexadecimal digits. */
const DIGITS_PER_BYTE = 2;

/** The least max_allowed_packet that takes bodies of this size; both in bytes. */
export function packetForBody(bodyBytes: number): number {
  return DIGITS_PER_BYTE * bodyBytes + BESIDE_BODY;
}

/** The largest body that goes into a packet of this size, at least 1; both in bytes. */
export function bodyInPacket(packetBytes: number): number {
  return Math.max(1, Math.floor((packetBytes - BESIDE_BODY) / DIGITS_PER_BYTE));
}
