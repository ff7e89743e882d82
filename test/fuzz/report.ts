import type { Role } from './api-document.js';
import { ROLES } from './world.js';

/** What went wrong with one generated case. */
export interface Fault {
  name: string;
  role: Role;
  number: number;
  text: string;
}

const MAX_TEXT = 1500;

/** How often each operation (or chat event) ran with each role, which statuses it answered, and the faults. */
export class Report {
  readonly faults: Fault[] = [];
  private readonly counts = new Map<string, Map<Role, number>>();
  private readonly statuses = new Map<string, Set<string>>();

  constructor(private readonly seed: number) {}

  count(name: string, role: Role, status: string): void {
    const row = this.counts.get(name) ?? new Map<Role, number>();
    row.set(role, (row.get(role) ?? 0) + 1);
    this.counts.set(name, row);
    this.statuses.set(name, (this.statuses.get(name) ?? new Set()).add(status));
  }

  /** Records a fault. Of faults that are equal but for their numbers, only the first is kept. */
  fail(fault: Fault): void {
    const keyOf = ({ name, text }: Fault) => `${name} ${text.split('\n')[0]}`;
    if (!this.faults.some((known) => keyOf(known) === keyOf(fault))) this.faults.push(fault);
  }

  /** The operations and roles that never ran together. */
  missing(names: string[], roles: Role[] = ROLES): string[] {
    return names.flatMap((name) =>
      roles.filter((role) => !this.counts.get(name)?.get(role)).map((role) => `${name} as ${role}`),
    );
  }

  /** A table of the runs, and each fault with the command that repeats it. */
  toText(): string {
    const rows = [...this.counts].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([name, row]) => this.toLine(name, row));
    const total = [...this.counts.values()].flatMap((row) => [...row.values()]).reduce((a, b) => a + b, 0);
    const faults = this.faults.map(
      ({ name, role, number, text }) =>
        `${name} as ${role}: ${text.slice(0, MAX_TEXT)}\n  repeat: FUZZ_SEED=${this.seed} FUZZ_CASE=${number} npm run test:fuzz`,
    );
    return [`runs by role: ${ROLES.join(', ')}`, ...rows, `${total} cases, seed ${this.seed}`, ...faults].join('\n');
  }

  private toLine(name: string, row: Map<Role, number>): string {
    const counts = ROLES.map((role) => String(row.get(role) ?? '-').padStart(4)).join('');
    return `${name.padEnd(52)}${counts}   ${[...this.statuses.get(name)!].toSorted().join(' ')}`;
  }
}
