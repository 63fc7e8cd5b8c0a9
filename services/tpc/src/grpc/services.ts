import type { MessageTracer } from '@tpc/core';
import { MessageAdminServiceService } from '@tpc/gen/tpc/v1/message_admin_service';
import { ReliableMessageServiceService } from '@tpc/gen/tpc/v1/reliable_message_service';
import { type Log, type PageTokens, type ServiceEntry, SHORT_REQUEST_BYTES, serve } from '@tpc/platform';
import type { Writes } from '../flows/writes.ts';
import type { Store } from '../store/store.ts';
import type { CheckBackWorker } from '../workers/check-back.ts';
import { callTracing } from './call-tracing.ts';
import { checkBackHandlers } from './check-back.ts';
import { confirmMessageHandlers } from './confirm-message.ts';
import { consumerGroupHandlers } from './consumer-groups.ts';
import { deleteMessageHandlers } from './delete-message.ts';
import { directSendHandlers } from './direct-send.ts';
import { getMessageHandlers } from './get-message.ts';
import { adminCalls, groupCalls, intercept } from './interceptors.ts';
import { listMessagesHandlers } from './list-messages.ts';
import { markDeliveryHandlers } from './mark-delivery.ts';
import { type RegisterOptions, registerHandlers } from './register.ts';
import { resendMessageHandlers } from './resend-message.ts';
import { saveAndSendHandlers } from './save-and-send.ts';
import { saveMessageHandlers } from './save-message.ts';

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
