import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { exerciseSmtp, type MailServerUnderTest } from '@tpc/conformance';
import { startMailCatcher } from './index.ts';

exerciseSmtp('embedded mail catcher', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'mail-catcher-'));
  const start = async (): Promise<MailServerUnderTest> => {
    const catcher = await startMailCatcher({ file: join(folder, 'mail.db'), smtpPort: 0, httpPort: 0 });
    return {
      ...catcher,
      async restart() {
        await catcher.stop();
        return start();
      },
      async stop() {
        await catcher.stop();
        rmSync(folder, { recursive: true });
      },
    };
  };
  return start();
});
