/**
 * npm run tokens: who may call TPC, UAC and OPC. Makes tokens, which it prints once, and keeps their hashes in the tokens file; running services take
 * the change by themselves.
 */
import { runTokens } from './lib/tokens-command.ts';

try {
  const output = { print: (line: string) => console.log(line), tell: (line: string) => console.error(line) };
  runTokens(process.argv.slice(2), process.env.TPC_TOKENS_FILE, output);
} catch (error) {
  console.error(`tokens: ${(error as Error).message}`);
  process.exitCode = 1;
}
