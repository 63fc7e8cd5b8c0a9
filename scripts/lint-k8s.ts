/**
 * npm run lint:k8s: what every overlay makes, held against Kubernetes' own schemas (kubectl-validate) and against good practice (kube-score). Builds both
 * with Go where they are missing, about five minutes, once.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseAllDocuments } from 'yaml';
import { ensureGoTool } from './lib/go-tool.ts';

const OVERLAYS = resolve(import.meta.dirname, '../k8s/overlays');
const VALIDATE = { name: 'kubectl-validate', package: 'sigs.k8s.io/kubectl-validate', version: 'v0.0.4', takes: 'about five minutes' };
const SCORE = { name: 'kube-score', package: 'github.com/zegl/kube-score/cmd/kube-score', version: 'v1.20.0', takes: 'about a minute' };

/** The newest Kubernetes whose schemas kubectl-validate brings with it. */
const SCHEMAS_OF = '1.30';

/** Checks of kube-score that are left out, each with its reason. */
const LEFT_OUT: Readonly<Record<string, string>> = {
  'container-security-context-user-group-id': "it wants ids above 10,000; those of the images' own users are below",
  'container-image-pull-policy': 'it wants Always; a tag is never moved here, and kind and minikube have images that no registry has',
  'container-ephemeral-storage-request-and-limit':
    'the root file system is read-only and /tmp has a limit of its own; not every node counts this storage',
  'deployment-has-host-podantiaffinity': 'topologySpreadConstraints do it',
  'statefulset-has-host-podantiaffinity': "the demo's parts are alone",
  'statefulset-has-servicename': "the demo's parts are alone, and reached by an ordinary Service",
};

const validate = join(await ensureGoTool(VALIDATE), VALIDATE.name);
const score = join(await ensureGoTool(SCORE), SCORE.name);
const folder = mkdtempSync(join(tmpdir(), 'tpc-lint-k8s-'));
let failed = 0;
try {
  for (const name of readdirSync(OVERLAYS)) {
    const file = join(folder, `${name}.yaml`);
    writeFileSync(file, unfolded(run('kubectl', ['kustomize', join(OVERLAYS, name)]).stdout));
    check(`${name}: schemas`, validate, ['--version', SCHEMAS_OF, file]);
    check(`${name}: good practice`, score, ['score', '--output-format', 'ci', ...Object.keys(LEFT_OUT).flatMap((id) => ['--ignore-test', id]), file]);
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
process.exitCode = failed === 0 ? 0 : 1;

/** @throws Error with its words when it could not be run or says no */
function run(command: string, args: readonly string[]) {
  const result = spawnSync(command, args, { encoding: 'utf8', maxBuffer: 64 * 1024 * 1024 });
  if (result.error) throw result.error;
  if (command === 'kubectl' && result.status !== 0) throw new Error(`kubectl: ${result.stderr}`);
  return result;
}

/** kustomize folds long secrets, which Kubernetes takes and kubectl-validate does not. */
function unfolded(manifests: string): string {
  const documents = parseAllDocuments(manifests).map((document) => document.toJS() as { kind: string; data?: Record<string, string> });
  for (const { kind, data } of documents) {
    if (kind === 'Secret' && data) for (const key of Object.keys(data)) data[key] = data[key]?.replace(/\s/g, '') ?? '';
  }
  return documents.map((document) => `---\n${JSON.stringify(document)}\n`).join('');
}

function check(what: string, command: string, args: readonly string[]): void {
  const { status, stdout, stderr } = run(command, args);
  const lines = `${stdout}${stderr}`.split('\n').filter((line) => /CRITICAL|ERROR|rror:/.test(line));
  for (const line of lines) console.log(line);
  const ok = status === 0 && lines.length === 0;
  console.log(`${ok ? 'ok  ' : 'FAIL'} ${what}`);
  if (!ok) failed++;
}
