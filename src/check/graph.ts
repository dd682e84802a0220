/**
 * Dependencies between transactions, and the cycles in them. Nodes are numbers: transactions first, then helpers that
 * only pass edges on (points of the time line, ends of lists), so that the graph stays as small as the history.
 */

export type EdgeKind = 'ww' | 'wr' | 'rw' | 'rt';

export interface Edge {
  readonly to: number;
  readonly kind: EdgeKind;
  /** The key it is about. */
  readonly key: string | undefined;
}

export interface Step {
  readonly from: number;
  readonly edge: Edge;
}

export class DependencyGraph {
  readonly #edges: Edge[][] = [];
  readonly #isHelper: boolean[] = [];

  get size(): number {
    return this.#edges.length;
  }

  addNode(): number {
    this.#edges.push([]);
    this.#isHelper.push(false);
    return this.#edges.length - 1;
  }

  /** A node that stands between transactions and is none. */
  addHelper(): number {
    const node = this.addNode();
    this.#isHelper[node] = true;
    return node;
  }

  isHelper(node: number): boolean {
    return this.#isHelper[node] === true;
  }

  addEdge(from: number, to: number, kind: EdgeKind, key?: string): void {
    if (from !== to) this.#edges[from]?.push({ to, kind, key });
  }

  from(node: number): readonly Edge[] {
    return this.#edges[node] ?? [];
  }

  /** The strongly connected components of more than one node, over some kinds of edges (Tarjan 1972, iterative). */
  components(kinds: ReadonlySet<EdgeKind>): number[][] {
    const count = this.size;
    const index = new Int32Array(count).fill(-1);
    const low = new Int32Array(count);
    const onStack = new Uint8Array(count);
    const next = new Int32Array(count);
    const stack: number[] = [];
    const found: number[][] = [];
    let counter = 0;
    for (let root = 0; root < count; root++) {
      if (index[root] !== -1) continue;
      const path = [root];
      while (path.length > 0) {
        const node = path[path.length - 1] ?? 0;
        if (index[node] === -1) {
          index[node] = low[node] = counter++;
          stack.push(node);
          onStack[node] = 1;
        }
        const edges = this.from(node);
        let isDeeper = false;
        while ((next[node] ?? 0) < edges.length) {
          const edge = edges[next[node] ?? 0];
          next[node] = (next[node] ?? 0) + 1;
          if (edge === undefined || !kinds.has(edge.kind)) continue;
          if (index[edge.to] === -1) {
            path.push(edge.to);
            isDeeper = true;
            break;
          }
          if (onStack[edge.to] === 1) {
            low[node] = Math.min(low[node] ?? 0, index[edge.to] ?? 0);
          }
        }
        if (isDeeper) continue;
        path.pop();
        const parent = path[path.length - 1];
        if (parent !== undefined) low[parent] = Math.min(low[parent] ?? 0, low[node] ?? 0);
        if (low[node] !== index[node]) continue;
        const component: number[] = [];
        for (;;) {
          const member = stack.pop() ?? node;
          onStack[member] = 0;
          component.push(member);
          if (member === node) break;
        }
        if (component.length > 1) found.push(component);
      }
    }
    return found;
  }

  /** The way between two nodes within a component with the fewest transactions; undefined when there is none. */
  path(
    from: number,
    to: number,
    kinds: ReadonlySet<EdgeKind>,
    within: ReadonlySet<number>,
  ): Step[] | undefined {
    const before = new Map<number, Step>();
    let front = [from];
    while (front.length > 0) {
      const later: number[] = [];
      for (const node of front) {
        for (const edge of this.from(node)) {
          if (!kinds.has(edge.kind) || !within.has(edge.to) || before.has(edge.to)) continue;
          before.set(edge.to, { from: node, edge });
          if (edge.to === to) return walkBack(before, from, to);
          // What helpers lead to is no further away.
          if (this.isHelper(edge.to)) front.push(edge.to);
          else later.push(edge.to);
        }
      }
      front = later;
    }
    return undefined;
  }
}

function walkBack(before: ReadonlyMap<number, Step>, from: number, to: number): Step[] {
  const steps: Step[] = [];
  let node = to;
  do {
    const step = before.get(node);
    if (step === undefined) break;
    steps.push(step);
    node = step.from;
  } while (node !== from);
  return steps.reverse();
}
