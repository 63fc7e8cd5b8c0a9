import type { MessageAdminServiceService } from '@tpc/gen/tpc/v1/message_admin_service';
import type { ReliableMessageServiceService } from '@tpc/gen/tpc/v1/reliable_message_service';
import type { UnaryHandlers } from '@tpc/platform';

/** All handlers of the two services; each feature's file makes some of them. */
export type MessageHandlers = UnaryHandlers<typeof ReliableMessageServiceService>;
export type AdminHandlers = UnaryHandlers<typeof MessageAdminServiceService>;

/** ErrorInfo.domain of everything that TPC answers. */
export const DOMAIN = 'tpc';
