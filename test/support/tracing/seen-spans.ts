/** A finished span, as far as tests look at it: from memory, or from Jaeger. */
export type SeenSpan = {
  service: string;
  name: string;
  traceId: string;
  spanId: string;
  parentId: string | undefined;
  links: { traceId: string; spanId: string }[];
  attributes: Readonly<Record<string, unknown>>;
  failed: boolean;
};

/** A span and those above it up to the root, each by service and name. */
export function pathOf(spans: readonly SeenSpan[], span: SeenSpan): string[] {
  const parent = spans.find(({ spanId }) => spanId === span.parentId);
  return [`${span.service} ${span.name}`, ...(parent ? pathOf(spans, parent) : [])];
}

const ROOT = ['uac transaction', 'uac POST /auth/register'];
const RPC = 'tpc.v1.ReliableMessageService/';

/** Paths of the message's own spans in a registration. */
export const CREATE = ['uac SEND_EMAIL_TOPIC create', ...ROOT];
export const PREPARE = ['uac SEND_EMAIL_TOPIC prepare', ...CREATE];
export const CONFIRM = ['uac SEND_EMAIL_TOPIC confirm', ...CREATE];
export const PUBLISH = ['tpc SEND_EMAIL_TOPIC publish', ...CREATE];
export const RECEIVE = ['opc SEND_EMAIL_TOPIC receive', ...PUBLISH];
export const PROCESS = ['opc SEND_EMAIL_TOPIC process', ...PUBLISH];
export const CONSUMED = ['opc report_consumed', ...PROCESS];

/** From the request to TPC's having it prepared. */
export const HOPS_TO_PREPARED = [
  ['uac INSERT pc_uac_user', ...ROOT],
  ['uac COMMIT', ...ROOT],
  ['uac INSERT tpc_outbox', ...CREATE],
  [`uac ${RPC}BatchSaveMessageWaitingConfirm`, ...PREPARE],
  [`tpc ${RPC}BatchSaveMessageWaitingConfirm`, `uac ${RPC}BatchSaveMessageWaitingConfirm`, ...PREPARE],
  ['tpc INSERT message', 'tpc SEND_EMAIL_TOPIC prepare', ...PREPARE],
];

/** The confirm, with TPC's writes. */
export const HOPS_OF_CONFIRM = [
  [`tpc ${RPC}BatchConfirmAndSendMessage`, `uac ${RPC}BatchConfirmAndSendMessage`, ...CONFIRM],
  ['tpc BATCH message', 'tpc confirm', ...CONFIRM],
  ['uac UPDATE tpc_outbox', ...CONFIRM],
];

/** From the publish to TPC's having heard that it is consumed. */
export const HOPS_FROM_PUBLISH = [
  ['tpc SEND_EMAIL_TOPIC send', ...PUBLISH],
  ['opc INSERT tpc_inbox', ...RECEIVE],
  ['opc BATCH tpc_inbox_effect', ...PROCESS],
  ['opc SMTP send', ...PROCESS],
  [`tpc ${RPC}BatchConfirmConsumedMessage`, `opc ${RPC}BatchConfirmConsumedMessage`, ...CONSUMED],
  ['tpc BATCH confirm', 'tpc mark_consumed', ...CONSUMED],
];

/**
 * The same without what goes in batches: a broker that was killed may bring earlier copies along, and a batch of several messages stands beside their
 * spans, linked with each.
 */
export const OWN_HOPS_FROM_PUBLISH = [
  ['tpc SEND_EMAIL_TOPIC send', ...PUBLISH],
  RECEIVE,
  ['opc BATCH tpc_inbox_effect', ...PROCESS],
  ['opc SMTP send', ...PROCESS],
  CONSUMED,
];

/** One message's own hops from the request to the last report: none of them depends on what else travelled in a batch with it. */
export const OWN_HOPS = [
  ['uac INSERT pc_uac_user', ...ROOT],
  ['uac COMMIT', ...ROOT],
  ['uac INSERT tpc_outbox', ...CREATE],
  ['tpc SEND_EMAIL_TOPIC prepare', ...PREPARE],
  ['tpc confirm', ...CONFIRM],
  PUBLISH,
  RECEIVE,
  ['opc BATCH tpc_inbox_effect', ...PROCESS],
  ['opc SMTP send', ...PROCESS],
  ['tpc mark_consumed', ...CONSUMED],
];

/** Those of the hops that no span stands for, each as one line. */
export function missingHops(spans: readonly SeenSpan[], hops: readonly (readonly string[])[]): string[] {
  const there = new Set(spans.map((span) => pathOf(spans, span).join(' < ')));
  return hops.map((hop) => hop.join(' < ')).filter((hop) => !there.has(hop));
}
