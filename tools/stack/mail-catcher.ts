/** The mail catcher as a program of its own: the stack runs it, and it may be killed and restarted like any mail server. */
import { startMailCatcher } from '@tpc/embedded';
import { createLog, loadConfig, portSetting, runMain } from '@tpc/platform';
import { z } from 'zod';

const schema = z.object({
  MAIL_FILE: z.string(),
  MAIL_HOST: z.string().default('127.0.0.1'),
  SMTP_PORT: portSetting(11_025),
  INBOX_HTTP_PORT: portSetting(18_025),
});

await runMain('mail catcher', async () => {
  const { MAIL_FILE: file, MAIL_HOST: host, SMTP_PORT: smtpPort, INBOX_HTTP_PORT: httpPort } = loadConfig(schema, process.env);
  return startMailCatcher({ file, host, smtpPort, httpPort, log: createLog({ service: 'inbox', level: 'warn', format: 'text' }) });
});
