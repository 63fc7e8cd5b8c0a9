import type { MessageTracer } from '@tpc/core';
import { MessageAdminServiceService } from '@tpc/gen/tpc/v1/message_admin_service';
import { ReliableMessageServiceService } from '@tpc/gen/tpc/v1/reliable_message_service';
import { type Log, type PageTokens, type ServiceEntry, SHORT_REQUEST_BYTES, serve } from '@tpc/platform';
import type { Writes } from '../flows/writes.ts';
import type { Store } from '../store/store.ts';
import type { CheckBackWorker } from '../workers/check-back.ts';
import { callTracing } from './call-tracing.ts';
import { markDeliveryHandlers } from './consumers/mark-delivery.ts';
import { adminCalls, groupCalls, intercept } from './interceptors.ts';
import { consumerGroupHandlers } from './operators/consumer-groups.ts';
import { getMessageHandlers } from './operators/get-message.ts';
import { listMessagesHandlers } from './operators/list-messages.ts';
import { resendMessageHandlers } from './operators/resend-message.ts';
import { checkBackHandlers } from './producers/check-back.ts';
import { confirmMessageHandlers } from './producers/confirm-message.ts';
import { deleteMessageHandlers } from './producers/delete-message.ts';
import { directSendHandlers } from './producers/direct-send.ts';
import { saveAndSendHandlers } from './producers/save-and-send.ts';
import { saveMessageHandlers } from './producers/save-message.ts';
import { type RegisterOptions, registerHandlers } from './register.ts';

export type TpcServicesOptions = Omit<RegisterOptions, 'store'> & {
  store: Store;
  writes: Writes;
  checkBack: Pick<CheckBackWorker, 'fetch'>;
  pageTokens: PageTokens;
  maxBodyBytes: () => number;
  /** Told when an operator's act made something due. */
  onResent: () => void;
  /** Whether the database is there with its schema. */
  isReady: () => boolean;
  /** Undefined: nothing is traced. */
  tracing: MessageTracer | undefined;
  log: Log;
};

/** TPC's gRPC services, each handler from the file of its feature. */
export function tpcServices(options: TpcServicesOptions): ServiceEntry[] {
  const { isReady } = options;
  const messages = {
    ...saveMessageHandlers(options),
    ...confirmMessageHandlers(options),
    ...saveAndSendHandlers(options),
    ...directSendHandlers(),
    ...deleteMessageHandlers(options),
    ...markDeliveryHandlers(options),
    ...checkBackHandlers(options),
    ...registerHandlers(options),
  };
  const admin = {
    ...listMessagesHandlers(options),
    ...getMessageHandlers(options),
    ...resendMessageHandlers(options),
    ...consumerGroupHandlers(options),
  };
  return [
    serve(ReliableMessageServiceService, intercept(messages, isReady, groupCalls), { tracing: callTracing }),
    serve(MessageAdminServiceService, intercept(admin, isReady, adminCalls), {
      tracing: { beginTraces: callTracing.beginTraces },
      maxRequestBytes: SHORT_REQUEST_BYTES,
    }),
  ];
}
