import { parser } from '@prometheus-io/lezer-promql';

export type Selected = { name: string; labels: string[] };

/**
 * What an expression of PromQL asks for: each metric with the labels that it is chosen by, and the labels that results are grouped by.
 * @throws Error for what is no PromQL
 */
export function readPromql(expression: string): { metrics: Selected[]; groupedBy: string[] } {
  const metrics: Selected[] = [];
  const groupedBy: string[] = [];
  const text = (node: { from: number; to: number }) => expression.slice(node.from, node.to);
  parser.parse(expression).iterate({
    enter: (node) => {
      if (node.type.isError) throw new Error(`no PromQL at ${node.from}: ${expression}`);
      if (node.name === 'VectorSelector') metrics.push({ name: text(node.node.firstChild ?? node), labels: [] });
      // Within a matcher it is the label's name, within by (…) a label of the grouping.
      if (node.name === 'LabelName') (node.node.parent?.name === 'GroupingLabels' ? groupedBy : (metrics.at(-1)?.labels ?? [])).push(text(node));
    },
  });
  return { metrics, groupedBy };
}
