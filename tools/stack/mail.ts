import { join, resolve } from 'node:path';
import type { StackPart } from './part.ts';
import { HOST, type StackSettings, stateFolder } from './settings.ts';

const PROGRAM = join(import.meta.dirname, 'mail-catcher.ts');

/** The mail catcher of npm start, in a process of its own. */
export function mailPart(settings: StackSettings): StackPart {
  const folder = stateFolder(settings, 'mail');
  return {
    name: 'mail',
    title: 'Mail catcher',
    ports: [
      { port: settings.STACK_SMTP_PORT, setting: 'STACK_SMTP_PORT' },
      { port: settings.STACK_INBOX_PORT, setting: 'STACK_INBOX_PORT' },
    ],
    after: [],
    stopWithinMs: 15_000,
    async command() {
      const env = {
        MAIL_FILE: join(folder, 'mail.db'),
        SMTP_PORT: String(settings.STACK_SMTP_PORT),
        INBOX_HTTP_PORT: String(settings.STACK_INBOX_PORT),
      };
      const args = ['--conditions=tpc-source', '--disable-warning=ExperimentalWarning', PROGRAM];
      return { file: process.execPath, args, env, cwd: resolve(import.meta.dirname, '../..') };
    },
    async probe() {
      const answer = await fetch(`http://${HOST}:${settings.STACK_INBOX_PORT}/api/v1/messages?limit=1`, { signal: AbortSignal.timeout(2_000) });
      if (!answer.ok) throw new Error(`the inbox page answers ${answer.status}`);
    },
  };
}
