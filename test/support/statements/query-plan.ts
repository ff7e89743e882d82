/** A node of a plan, as `EXPLAIN (FORMAT JSON)` and auto_explain write it. */
export interface PlanNode {
  'Node Type': string;
  'Relation Name'?: string;
  /** Rows per loop; absent when the statement was not executed. */
  'Actual Rows'?: number;
  'Actual Loops'?: number;
  'Rows Removed by Filter'?: number;
  'Rows Removed by Index Recheck'?: number;
  Plans?: PlanNode[];
}

/** The plan in a notice of auto_explain, with its statement; undefined for other notices. */
export function readPlan(message: string | undefined): { query: string; root: PlanNode } | undefined {
  if (!message?.startsWith('duration:')) return undefined;
  const { 'Query Text': query, Plan: root } = JSON.parse(message.slice(message.indexOf('{'))) as {
    'Query Text': string;
    Plan: PlanNode;
  };
  return { query, root };
}

export const nodesOf = (node: PlanNode): PlanNode[] => [node, ...(node.Plans ?? []).flatMap(nodesOf)];

/** How many rows a node has read from its table. */
export function rowsRead(node: PlanNode): number {
  const perLoop =
    (node['Actual Rows'] ?? 0) + (node['Rows Removed by Filter'] ?? 0) + (node['Rows Removed by Index Recheck'] ?? 0);
  return Math.round(perLoop * (node['Actual Loops'] ?? 1));
}

/** The tables that a plan reads from start to end. */
export const scannedTables = (root: PlanNode): string[] =>
  nodesOf(root)
    .filter((node) => node['Node Type'] === 'Seq Scan')
    .map((node) => node['Relation Name']!);
