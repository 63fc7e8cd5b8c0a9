/** Where the mail catcher writes what happens; a pino logger fits. Constant messages, values in the fields, no mail content. */
export type MailLog = {
  info(fields: object, message: string): void;
  error(fields: object, message: string): void;
};

export const SILENT: MailLog = { info: () => {}, error: () => {} };
