/** npm run images: builds the images of the product and of the demonstration on Kubernetes. */

import { StartError } from '@tpc/platform';
import { parseArguments } from '../../scripts/lib/parse-arguments.ts';
import { createProgress } from '../stack/progress.ts';
import { buildImages } from './build.ts';
import { IMAGES, JAEGER } from './catalogue.ts';

const KNOWN = [...IMAGES, JAEGER];

const HELP = `npm run images -- [name …]

Builds container images with Docker, or with buildah where there is no Docker: all of ${IMAGES.map(({ name }) => name).join(', ')}, or those named.
${JAEGER.name} is built only by its name (5 to 10 minutes the first time): the demonstration has Jaeger from its registry.

  --tag TAG      default: dev
  --base IMAGE   instead of each Dockerfile's own base (node: Node 24 and npm; others: Debian 12)
  --save FOLDER  also writes each to FOLDER/name.tar, as docker save does

Where no registry can be reached, bases are made from Debian's packages and the Node that runs this.`;

try {
  await main();
} catch (error) {
  process.stderr.write(`images: ${error instanceof StartError ? error.message : error instanceof Error ? error.stack : String(error)}\n`);
  process.exitCode = 1;
}

async function main(): Promise<void> {
  const { values, positionals } = readArguments();
  if (values.help) return console.log(HELP);
  const unknown = positionals.find((name) => !KNOWN.some((image) => image.name === name));
  if (unknown) throw new StartError(`unknown image ${unknown}: ${KNOWN.map(({ name }) => name).join(', ')}`);
  const chosen = positionals.length === 0 ? IMAGES : KNOWN.filter(({ name }) => positionals.includes(name));
  const progress = createProgress((line) => console.log(`images: ${line}`));
  const builder = await buildImages(chosen, { tag: values.tag, base: values.base, progress });
  if (values.save) for (const { name } of chosen) await builder.save(`${name}:${values.tag}`, `${values.save}/${name}.tar`);
}

function readArguments() {
  const options = {
    help: { type: 'boolean', short: 'h' },
    tag: { type: 'string', default: 'dev' },
    base: { type: 'string' },
    save: { type: 'string' },
  } as const;
  return parseArguments({ options, allowPositionals: true });
}
