/** What is done to containerd beside the kubelet: images that come from no registry, and the end of everything. */
import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { buildah } from '../images/builder.ts';
import type { ClusterFolders } from './settings.ts';

const run = promisify(execFile);
const PAUSE_IMAGE = 'localhost/pause:1';
/** Holds a pod's namespaces and does nothing else until it is told to end. */
const PAUSE_SOURCE = `#include <signal.h>
#include <unistd.h>
static void leave(int number) { (void)number; _exit(0); }
int main(void) { signal(SIGINT, leave); signal(SIGTERM, leave); for (;;) pause(); }
`;

/** Loads an image from a file as \`docker save\` writes it. */
export async function loadImage(folders: ClusterFolders, file: string): Promise<void> {
  await ctr(folders, 'images', 'import', '--no-unpack=false', file);
}

/** Loads the image of the pods' first process; made when it is not there yet. */
export async function loadPause(folders: ClusterFolders): Promise<void> {
  const archive = join(folders.root, 'pause.tar');
  if (!existsSync(archive)) await makePause(archive);
  await loadImage(folders, archive);
}

async function makePause(archive: string): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'tpc-pause-'));
  try {
    writeFileSync(join(folder, 'pause.c'), PAUSE_SOURCE);
    await run('gcc', ['-static', '-O2', '-o', 'pause', 'pause.c'], { cwd: folder });
    writeFileSync(join(folder, 'Dockerfile'), 'FROM scratch\nCOPY pause /pause\nENTRYPOINT ["/pause"]\n');
    const builder = buildah();
    await builder.build({ reference: PAUSE_IMAGE, context: folder, args: {}, extraContexts: {} });
    await builder.save(PAUSE_IMAGE, archive);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Ends every container at once. The kubelet must be gone, or it would start them again. */
export async function endContainers(folders: ClusterFolders): Promise<void> {
  if (!existsSync(folders.containerdSocket)) return;
  const listed = await ctr(folders, 'tasks', 'list', '--quiet').catch(() => '');
  const tasks = listed.split('\n').filter(Boolean);
  // Deleting a task also ends the shim beside it.
  await Promise.all(tasks.map((task) => ctr(folders, 'tasks', 'delete', '--force', task).catch(() => '')));
}

/** Kills all processes of a pod at once. */
export async function killPod(folders: ClusterFolders, pod: string): Promise<void> {
  const containers = (await ctr(folders, 'containers', 'list', '--quiet', `labels."io.kubernetes.pod.name"==${pod}`)).split('\n').filter(Boolean);
  await Promise.all(containers.map((container) => ctr(folders, 'tasks', 'kill', '--all', '--signal', 'SIGKILL', container).catch(() => '')));
}

/** Unmounts what pods left mounted below a folder, the innermost first. */
export async function unmountBelow(folder: string): Promise<void> {
  const points = readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .map((line) => line.split(' ')[4] ?? '')
    .filter((point) => point.startsWith(`${folder}/`));
  for (const point of points.reverse()) await run('umount', ['--lazy', point]).catch(() => undefined);
}

async function ctr({ containerdSocket }: ClusterFolders, ...args: string[]): Promise<string> {
  const { stdout } = await run('ctr', ['--address', containerdSocket, '--namespace', 'k8s.io', ...args], { maxBuffer: 50_000_000 });
  return stdout;
}
