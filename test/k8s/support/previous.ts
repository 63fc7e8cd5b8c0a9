import { execFileSync } from 'node:child_process';

/** The revision whose build is N-1: TEST_K8S_PREVIOUS, else the newest release, else what is committed now. */
export function previousRevision(): string {
  if (process.env.TEST_K8S_PREVIOUS) return process.env.TEST_K8S_PREVIOUS;
  const tags = execFileSync('git', ['tag', '--list', 'v*', '--sort=-v:refname'], { encoding: 'utf8' }).split('\n').filter(Boolean);
  return tags[0] ?? 'HEAD';
}
