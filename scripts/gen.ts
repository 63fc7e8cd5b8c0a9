/**
 * npm run gen: makes gen/ from proto/. `--check` makes it in a temporary folder and fails when the committed one differs.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { FileDescriptorSetSchema, SourceCodeInfoSchema } from '@bufbuild/protobuf/wkt';

const OWN_PACKAGES = /^(tpc|uac|opc|ops)\.v1$/;

const bin = (name: string) => join('node_modules', '.bin', name);
const call = (name: string, args: string[]) => execFileSync(bin(name), args, { stdio: 'inherit' });

function generate(out: string): void {
  call('buf', ['generate', '--output', out]);
  const gen = join(out, 'gen');
  const file = join(gen, 'descriptors.binpb');
  call('buf', ['build', '--as-file-descriptor-set', '-o', file]);
  const descriptors = commentsOnly(readFileSync(file));
  writeFileSync(file, descriptors);
  const bytes = Buffer.from(descriptors).toString('base64');
  const text = `// Made by npm run gen from proto/. DO NOT EDIT.\n\n/** google.protobuf.FileDescriptorSet of all contracts, for server reflection. */\nexport const descriptorSet: Uint8Array = Buffer.from(\n  '${bytes}',\n  'base64',\n);\n`;
  writeFileSync(join(gen, 'descriptors.ts'), text);
}

/**
 * Of the source information only what `grpcurl describe` shows: the comments of our own contracts, without their places in the files.
 */
function commentsOnly(bytes: Uint8Array): Uint8Array {
  const set = fromBinary(FileDescriptorSetSchema, bytes);
  for (const file of set.file) {
    const ours = OWN_PACKAGES.test(file.package);
    const locations = ours ? (file.sourceCodeInfo?.location ?? []).filter(({ leadingComments }) => leadingComments !== '') : [];
    for (const location of locations) location.span = [0, 0, 0];
    file.sourceCodeInfo = locations.length > 0 ? create(SourceCodeInfoSchema, { location: locations }) : undefined;
  }
  return toBinary(FileDescriptorSetSchema, set);
}

if (process.argv.includes('--check')) {
  const folder = mkdtempSync(join(tmpdir(), 'tpc-gen-'));
  try {
    generate(folder);
    execFileSync('diff', ['-r', '--exclude=package.json', '--exclude=node_modules', join(folder, 'gen'), 'gen'], { stdio: 'inherit' });
    console.log('gen/ is fresh');
  } catch {
    console.error('gen/ is stale: run npm run gen and commit');
    process.exitCode = 1;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
} else {
  for (const name of ['tpc', 'uac', 'opc', 'ops', 'google', 'grpc']) rmSync(join('gen', name), { recursive: true, force: true });
  generate('.');
  console.log('gen/ made from proto/');
}
