/** npm run doctor: looks whether the databases are as TPC needs them. */
import { StartError } from '@tpc/platform';
import { runDoctor } from './lib/doctor-command.ts';

try {
  if (!(await runDoctor(process.argv.slice(2), process.env, (line) => console.log(line)))) process.exitCode = 1;
} catch (error) {
  console.error(`doctor: ${error instanceof StartError ? error.message : String(error)}`);
  process.exitCode = 1;
}
