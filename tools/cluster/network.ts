import { execFileSync, spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { BRIDGE, BRIDGE_ADDRESS, type ClusterFolders, POD_RANGE } from './settings.ts';

const IP_FORWARD = '/proc/sys/net/ipv4/ip_forward';

/** The pods' bridge is there before the first pod, since the control plane listens at its address. */
export function makeBridge(): void {
  if (spawnSync('ip', ['link', 'show', BRIDGE], { stdio: 'ignore' }).status !== 0) {
    execFileSync('ip', ['link', 'add', BRIDGE, 'type', 'bridge']);
    execFileSync('ip', ['address', 'add', `${BRIDGE_ADDRESS}/${POD_RANGE.split('/')[1]}`, 'dev', BRIDGE]);
  }
  execFileSync('ip', ['link', 'set', BRIDGE, 'up']);
  // Services are reached by forwarding. Where it may not be switched on, it is on already or the first probe says so.
  if (readFileSync(IP_FORWARD, 'utf8').trim() !== '1') writeFileSync(IP_FORWARD, '1');
}

/** Takes away the bridge and the rules of the service proxy. */
export function removeNetwork({ bin }: ClusterFolders): void {
  spawnSync(join(bin, 'kube-proxy'), ['--cleanup'], { stdio: 'ignore' });
  spawnSync('ip', ['link', 'delete', BRIDGE], { stdio: 'ignore' });
}
