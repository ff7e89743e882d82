import { setImmediate, setTimeout } from 'node:timers/promises';

interface Run<Input, Output> {
  inputs: Set<Input>;
  output: Promise<Output>;
}

/** A run that takes longer does not delay the next one: its connection may be lost. */
const MAX_WAIT_MS = 20;

/**
 * Runs an operation once for all callers that arrive in one turn of the event loop or while the previous run lasts: under load, a
 * query per request costs more than the rest of a short request. A run begins after its callers have arrived, so that what was
 * changed before a request is seen by it.
 */
export class SharedRuns<Input, Output> {
  private next: Run<Input, Output> | undefined;
  /** Resolves when the run that began last has ended; undefined: it has. */
  private running: Promise<void> | undefined;

  constructor(
    private readonly operation: (inputs: Set<Input>) => Promise<Output>,
    private readonly maxWaitMs = MAX_WAIT_MS,
  ) {}

  /** The output of the run that this input is part of. Callers share it: do not change it. */
  join(input: Input): Promise<Output> {
    const run = (this.next ??= this.startRun());
    run.inputs.add(input);
    return run.output;
  }

  /** Whether nobody waits for a run. */
  get isIdle(): boolean {
    return this.next === undefined && this.running === undefined;
  }

  private startRun(): Run<Input, Output> {
    const inputs = new Set<Input>();
    return { inputs, output: this.run(inputs) };
  }

  private async run(inputs: Set<Input>): Promise<Output> {
    await setImmediate(); // collects the other callers of this turn
    if (this.running) await Promise.race([this.running, setTimeout(this.maxWaitMs, undefined, { ref: false })]);
    this.next = undefined;
    const output = this.operation(inputs);
    this.watch(output);
    return output;
  }

  private watch(output: Promise<unknown>): void {
    const end = (): void => {
      if (this.running === running) this.running = undefined;
    };
    const running = output.then(end, end);
    this.running = running;
  }
}

/**
 * Reads what many callers ask for at the same time once for all of them, as `SharedRuns` does. A key stands for one result: it
 * contains all that the result depends on, also the rights of the caller.
 */
export class SharedReads<Result> {
  private readonly runs = new Map<string, SharedRuns<undefined, Result>>();

  /** `read` is called once for the callers that share a result. They share it: do not change it. */
  async read(key: string, read: () => Promise<Result>): Promise<Result> {
    const runs = this.runs.get(key) ?? new SharedRuns<undefined, Result>(read);
    this.runs.set(key, runs);
    try {
      return await runs.join(undefined);
    } finally {
      if (runs.isIdle) this.runs.delete(key);
    }
  }

  /** The number of keys that are being read. */
  get size(): number {
    return this.runs.size;
  }
}
