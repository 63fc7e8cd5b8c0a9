import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { STOP_DEADLINE_MS } from '@tpc/platform';
import { describe, expect, it } from 'vitest';
import {
  containersOf,
  copyOfManifests,
  find,
  foldersIn,
  type Manifest,
  manifestsOf,
  render,
  whyNoKubectl,
  withComponent,
  workloadsOf,
} from '../support/manifests/kustomize.ts';
import { allowedArrows } from '../support/manifests/network-policies.ts';

const absent = whyNoKubectl();
const SERVICES = ['tpc', 'uac', 'opc'];
const OVERLAYS = ['overlays/demo', 'overlays/production'];

/** What Pod Security `restricted` asks of a container, and a root file system that cannot be written. */
const RESTRICTED = { allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: { drop: ['ALL'] } };

function serviceOf(manifests: readonly Manifest[], name: string) {
  const [workload] = workloadsOf([find(manifests, 'Deployment', name)]);
  const container = workload?.pod.containers[0];
  if (!workload || !container) throw new Error(`${name} has no container`);
  return { ...workload, container };
}

describe.skipIf(absent)(`manifests${absent ? ` (${absent})` : ''}`, () => {
  it('every overlay and every component can be built', () => {
    expect(foldersIn('overlays').map((name) => `overlays/${name}`)).toEqual(OVERLAYS);
    for (const overlay of OVERLAYS) expect(manifestsOf(overlay).length).toBeGreaterThan(20);
    for (const component of foldersIn('components')) expect(withComponent(component).length).toBeGreaterThan(10);
  });

  it.each(OVERLAYS)('%s runs nothing as root, with rights, with a writable root or without limits', (overlay) => {
    for (const { manifest, pod } of workloadsOf(manifestsOf(overlay))) {
      const { name } = manifest.metadata;
      expect(pod.securityContext, name).toMatchObject({ runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } });
      expect(pod.automountServiceAccountToken, name).toBe(false);
      for (const container of containersOf(pod)) {
        expect(container.securityContext, name).toEqual(RESTRICTED);
        for (const amounts of [container.resources?.requests, container.resources?.limits])
          expect(Object.keys(amounts ?? {}).sort(), name).toEqual(['cpu', 'memory']);
      }
    }
  });

  it.each(SERVICES)('%s is probed on its health port: readiness by the empty name, the rest by what follows nothing outside', (name) => {
    const { container } = serviceOf(manifestsOf('base'), name);
    const health = container.ports?.find((port) => port.name === 'health')?.containerPort;
    expect(container.readinessProbe?.grpc).toEqual({ port: health });
    for (const probe of ['livenessProbe', 'startupProbe'] as const) expect(container[probe]?.grpc).toEqual({ port: health, service: 'live' });
    const [settings] = container.envFrom ?? [];
    expect(find(manifestsOf('base'), 'ConfigMap', settings?.configMapRef?.name ?? '').data?.HEALTH_PORT).toBe(String(health));
  });

  it.each(SERVICES)('%s has time to finish what it has begun before it is killed', (name) => {
    const { pod, container } = serviceOf(manifestsOf('base'), name);
    const sleep = container.lifecycle?.preStop?.sleep?.seconds ?? 0;
    expect(sleep).toBeGreaterThan(0);
    expect((pod.terminationGracePeriodSeconds ?? 0) * 1000).toBeGreaterThan(sleep * 1000 + STOP_DEADLINE_MS);
  });

  it.each(SERVICES)('a changed setting rolls the pods of %s alone, and changes no Job', (name) => {
    using copy = copyOfManifests();
    const folder = join(copy.folder, 'overlays/demo');
    const before = render(folder);
    const file = join(copy.folder, 'base', name, 'settings.env');
    writeFileSync(file, `${readFileSync(file, 'utf8')}LOG_LEVEL=debug\n`);
    const after = render(folder);
    const changed = workloadsOf(after).filter(({ manifest, pod }) => {
      const old = workloadsOf([find(before, manifest.kind, manifest.metadata.name)])[0]?.pod;
      return JSON.stringify(old) !== JSON.stringify(pod);
    });
    expect(changed.map(({ manifest }) => `${manifest.kind} ${manifest.metadata.name}`)).toEqual([`Deployment ${name}`]);
    const used = serviceOf(after, name).container.envFrom?.[0]?.configMapRef?.name ?? '';
    expect(find(after, 'ConfigMap', used).data?.LOG_LEVEL).toBe('debug');
  });

  it('a new image has migration Jobs of its own, since Jobs cannot be changed', () => {
    using copy = copyOfManifests();
    const file = join(copy.folder, 'overlays/demo/kustomization.yaml');
    writeFileSync(file, readFileSync(file, 'utf8').replace('- name: tpc\n    newTag: dev', '- name: tpc\n    newTag: 1.2.3'));
    for (const name of SERVICES) {
      const job = find(render(join(copy.folder, 'overlays/demo')), 'Job', `${name}-migrate-1.2.3`);
      const container = workloadsOf([job])[0]?.pod.containers[0];
      expect([container?.image, container?.args]).toEqual(['tpc:1.2.3', [`services/${name}/src/main.ts`, 'migrate']]);
      expect(find(manifestsOf('overlays/demo'), 'Job', `${name}-migrate-dev`)).toBeDefined();
    }
  });

  it('production keeps three TPC apart, and an autoscaler alone decides how many of each there are', () => {
    const production = manifestsOf('overlays/production');
    expect(find(production, 'HorizontalPodAutoscaler', 'tpc').spec?.minReplicas).toBe(3);
    for (const name of SERVICES) expect(find(production, 'Deployment', name).spec?.replicas).toBeUndefined();
    const [zones] = serviceOf(production, 'tpc').pod['topologySpreadConstraints' as never] as { topologyKey: string; whenUnsatisfiable: string }[];
    expect(zones).toMatchObject({ topologyKey: 'topology.kubernetes.io/zone', whenUnsatisfiable: 'DoNotSchedule' });
  });

  it('callers of TPC reach every replica: the name has no address of its own', () => {
    const base = manifestsOf('base');
    expect(find(base, 'Service', 'tpc-headless').spec?.clusterIP).toBe('None');
    for (const name of ['uac', 'opc']) expect(find(base, 'ConfigMap', new RegExp(`^${name}-`)).data?.TPC_ADDRESS).toBe('dns:///tpc-headless:50051');
  });

  it('the network policies allow the arrows of the picture and nothing else', () => {
    const demo = manifestsOf('overlays/demo');
    const pods = workloadsOf(demo).map(({ manifest, labels, pod }) => ({
      name: manifest.metadata.name.replace(/-dev$/, ''),
      labels,
      ports: containersOf(pod).flatMap(({ ports }) => (ports ?? []).map(({ containerPort }) => containerPort)),
    }));
    expect(allowedArrows(demo, pods)).toEqual(ARROWS);
    const open = [...pods, { name: 'stranger', labels: {}, ports: [80] }];
    expect(allowedArrows(demo, open).filter((arrow) => arrow.startsWith('stranger'))).toEqual(['stranger → uac:3000']);
  });
});

const ARROWS = [
  'opc → jaeger:4317',
  'opc → mail:1025',
  'opc → mariadb:3306',
  'opc → rocketmq-broker:8081',
  'opc → tpc:50051',
  'opc-migrate → mariadb:3306',
  'outside → uac:3000',
  'rocketmq-broker → rocketmq-name-server:9876',
  'rocketmq-topics → rocketmq-broker:10911',
  'rocketmq-topics → rocketmq-name-server:9876',
  'tpc → jaeger:4317',
  'tpc → mariadb:3306',
  'tpc → rocketmq-broker:8081',
  'tpc-migrate → mariadb:3306',
  'uac → jaeger:4317',
  'uac → mariadb:3306',
  'uac → redis:6379',
  'uac → tpc:50051',
  'uac-migrate → mariadb:3306',
];
