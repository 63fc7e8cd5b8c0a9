/** A message as the broker sees it, as far as its properties count. */
export type CountedMessage = { properties: Readonly<Record<string, string>>; tag: string; keys: readonly string[] };

/** Bytes that RocketMQ counts against its limit on properties: their names and values, the tag and the keys, in UTF-8. */
export function brokerPropertiesBytes({ properties, tag, keys }: CountedMessage): number {
  let bytes = Buffer.byteLength(tag);
  for (const key of keys) bytes += Buffer.byteLength(key);
  for (const [name, value] of Object.entries(properties)) bytes += Buffer.byteLength(name) + Buffer.byteLength(value);
  return bytes;
}
