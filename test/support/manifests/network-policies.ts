import type { Manifest } from './kustomize.ts';

/** A pod of one namespace, as policies see it. */
export type PolicyPod = { name: string; labels: Record<string, string>; ports: number[] };

type Selector = {
  matchLabels?: Record<string, string>;
  matchExpressions?: { key: string; operator: string; values?: string[] }[];
};
type Peer = { podSelector?: Selector; namespaceSelector?: Selector; ipBlock?: { cidr: string } };
type Rule = { from?: Peer[]; to?: Peer[]; ports?: { protocol?: string; port: number }[] };
type PolicySpec = { podSelector: Selector; policyTypes: string[]; ingress?: Rule[]; egress?: Rule[] };

function matches(selector: Selector, labels: Record<string, string>): boolean {
  const equal = Object.entries(selector.matchLabels ?? {}).every(([key, value]) => labels[key] === value);
  return (
    equal &&
    (selector.matchExpressions ?? []).every(({ key, operator, values = [] }) => {
      if (operator !== 'In') throw new Error(`operator ${operator} is not known here`);
      return values.includes(labels[key] ?? '');
    })
  );
}

/**
 * Which pods may reach which ports of which others, by the rules of networking.k8s.io/v1: a pod that no policy selects for a direction may do all; one
 * that is selected may do what any of its policies allows; a connection needs both ends.
 * @returns lines `from → to:port`, in order; only for ports that the pods have
 */
export function allowedArrows(manifests: readonly Manifest[], pods: readonly PolicyPod[]): string[] {
  const policies = manifests.filter(({ kind }) => kind === 'NetworkPolicy').map(({ spec }) => spec as unknown as PolicySpec);
  const may = (direction: 'Ingress' | 'Egress', pod: PolicyPod, other: PolicyPod | 'outside', port: number) => {
    const mine = policies.filter((policy) => policy.policyTypes.includes(direction) && matches(policy.podSelector, pod.labels));
    if (mine.length === 0) return true;
    const rules = mine.flatMap((policy) => (direction === 'Ingress' ? policy.ingress : policy.egress) ?? []);
    return rules.some((rule) => portFits(rule, port) && peerFits(direction === 'Ingress' ? rule.from : rule.to, other));
  };
  const arrows: string[] = [];
  for (const to of pods) {
    for (const port of to.ports) {
      if (may('Ingress', to, 'outside', port)) arrows.push(`outside → ${to.name}:${port}`);
      for (const from of pods) {
        if (from !== to && may('Egress', from, to, port) && may('Ingress', to, from, port)) arrows.push(`${from.name} → ${to.name}:${port}`);
      }
    }
  }
  return arrows.sort();
}

function portFits(rule: Rule, port: number): boolean {
  return rule.ports === undefined || rule.ports.some((allowed) => allowed.port === port && (allowed.protocol ?? 'TCP') === 'TCP');
}

function peerFits(peers: Peer[] | undefined, other: PolicyPod | 'outside'): boolean {
  if (peers === undefined) return true;
  // Blocks of addresses are for what is outside the cluster; selectors of namespaces for other namespaces.
  return peers.some(
    (peer) => other !== 'outside' && peer.namespaceSelector === undefined && peer.podSelector && matches(peer.podSelector, other.labels),
  );
}
