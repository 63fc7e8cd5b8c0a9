import { type ConfigSchema, describeConfig, loadConfig } from '@tpc/platform';
import { describe, expect, it } from 'vitest';
import { configSchema as opc } from '../../services/opc/src/config.ts';
import { configSchema as tpc } from '../../services/tpc/src/config.ts';
import { configSchema as uac } from '../../services/uac/src/config.ts';
import {
  type Container,
  containersOf,
  foldersIn,
  type Manifest,
  manifestsOf,
  type PodSpec,
  whyNoKubectl,
  withComponent,
  workloadsOf,
} from '../support/manifests/kustomize.ts';

/** The services' own schemas are the only source: what the manifests set is held against them. */
const SCHEMAS: Readonly<Record<string, ConfigSchema>> = { tpc, uac, opc };
const absent = whyNoKubectl();

/** What is wrong with settings that everybody may read: names that the service does not know, secrets, values that stop its start. */
function wrongIn(schema: ConfigSchema, settings: Readonly<Record<string, string>>): string[] {
  const rows = describeConfig(schema);
  const files = rows.flatMap(({ fileKey }) => (fileKey === undefined ? [] : [fileKey]));
  const problems = Object.keys(settings).flatMap((key) => {
    const row = rows.find((one) => one.key === key);
    if (row?.secret) return [`${key} is a secret`];
    return row === undefined && !files.includes(key) ? [`${key} is not known`] : [];
  });
  const readable = Object.fromEntries(Object.entries(settings).filter(([key]) => !files.includes(key)));
  try {
    loadConfig(schema, readable);
  } catch (error) {
    problems.push((error as Error).message);
  }
  return problems;
}

type Use = { where: string; service: string; schema: ConfigSchema; settings: Record<string, string>; container: Container; pod: PodSpec };

/** Every container of our image with all that its environment says. */
function usesIn(manifests: readonly Manifest[]): Use[] {
  return workloadsOf(manifests).flatMap(({ manifest, pod }) =>
    containersOf(pod).flatMap((container) => {
      const service = /^services\/(\w+)\/src\/main\.ts$/.exec(container.args?.[0] ?? '')?.[1];
      const schema = SCHEMAS[service ?? ''];
      if (service === undefined || schema === undefined) return [];
      const where = `${manifest.kind} ${manifest.metadata.name}`;
      return [{ where, service, schema, settings: environmentOf(container, manifests, where), container, pod }];
    }),
  );
}

function environmentOf(container: Container, manifests: readonly Manifest[], where: string): Record<string, string> {
  const settings: Record<string, string> = {};
  for (const { configMapRef } of container.envFrom ?? []) {
    const map = manifests.find(({ kind, metadata }) => kind === 'ConfigMap' && metadata.name === configMapRef?.name);
    if (!map) throw new Error(`${where}: its settings come from something that is no ConfigMap of these manifests`);
    Object.assign(settings, map.data);
  }
  for (const { name, value } of container.env ?? []) settings[name] = value ?? '';
  return settings;
}

/** Files that the settings name and that no mounted Secret has. Where the Secret is not among the manifests its keys are not known. */
function missingFiles({ settings, container, pod }: Use, manifests: readonly Manifest[]): string[] {
  return Object.values(settings).filter((path) => {
    if (!path.startsWith('/run/secrets/')) return false;
    const mount = container.volumeMounts?.find(({ mountPath }) => path.startsWith(`${mountPath}/`));
    const secret = pod.volumes?.find(({ name }) => name === mount?.name)?.secret;
    if (!mount || !secret) return true;
    const key = path.slice(mount.mountPath.length + 1);
    const keys = secret.items?.map((item) => item.key);
    const known = manifests.find(({ kind, metadata }) => kind === 'Secret' && metadata.name === secret.secretName)?.data;
    return (keys && !keys.includes(key)) || (known !== undefined && !(key in known));
  });
}

const CASES: [name: string, build: () => Manifest[]][] = [
  ['base', () => manifestsOf('base')],
  ...foldersIn('overlays').map((name) => [`overlays/${name}`, () => manifestsOf(`overlays/${name}`)] as [string, () => Manifest[]]),
  ...foldersIn('components').map((name) => [`components/${name}`, () => withComponent(name)] as [string, () => Manifest[]]),
];

describe.skipIf(absent)(`settings in the manifests${absent ? ` (${absent})` : ''}`, () => {
  it.each(CASES)('%s sets only what the services know, no secret in the open, and no bad value', (_name, build) => {
    const manifests = build();
    const uses = usesIn(manifests);
    expect(uses.map(({ where }) => where.split(' ')[0]).sort()).toEqual(['Deployment', 'Deployment', 'Deployment', 'Job', 'Job', 'Job']);
    expect(uses.flatMap(({ where, schema, settings }) => wrongIn(schema, settings).map((problem) => `${where}: ${problem}`))).toEqual([]);
    expect(uses.flatMap((use) => missingFiles(use, manifests).map((path) => `${use.where}: ${path} is in no Secret`))).toEqual([]);
  });

  it.each(CASES)('%s has no setting that nobody reads', (_name, build) => {
    const manifests = build();
    const read = new Set(
      workloadsOf(manifests).flatMap(({ pod }) => [
        ...containersOf(pod).flatMap(({ envFrom = [] }) => envFrom.map((from) => from.configMapRef?.name)),
        ...(pod.volumes ?? []).map(({ configMap }) => configMap?.name),
      ]),
    );
    expect(manifests.filter(({ kind, metadata }) => kind === 'ConfigMap' && !read.has(metadata.name)).map(({ metadata }) => metadata.name)).toEqual(
      [],
    );
  });
});

it.each([
  [{ TPC_DATABSE_POOL: '8' }, ['TPC_DATABSE_POOL is not known']],
  [{ UAC_HTTP_PORT: '3000' }, ['UAC_HTTP_PORT is not known']],
  [{ TPC_DATABASE_URL: 'mysql://tpc:secret@db/tpc' }, ['TPC_DATABASE_URL is a secret']],
  [{ TPC_DATABASE_POOL: 'many' }, ['bad setting: TPC_DATABASE_POOL="many": expected a whole number, 4 to 200']],
  [{ TPC_DATABASE_URL_FILE: '/run/secrets/tpc/database-url', TPC_DATABASE_POOL: '8' }, []],
])('of %o it is said: %o', (settings, problems) => {
  expect(wrongIn(tpc, settings as Record<string, string>)).toEqual(problems);
});
