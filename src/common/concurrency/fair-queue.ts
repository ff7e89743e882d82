import { AsyncResource } from 'node:async_hooks';

interface Task {
  start: () => void;
  reject: (error: unknown) => void;
}

interface Options {
  /** How many tasks run at a time. */
  concurrency: number;
  /** How many tasks may wait. */
  maxWaiting: number;
  /** Makes the error of a task that is refused because too many wait. */
  onFull: () => Error;
}

/**
 * Runs a limited number of tasks at a time and shares the turns among those who wait. A task has a path of groups, such as
 * network and user. At each level the groups take turns, so that many tasks of one group delay another group by one task.
 * When too many tasks wait, the newest one of the largest group is refused.
 */
export class FairQueue {
  private readonly waiting = new Group();
  private running = 0;

  constructor(private readonly options: Options) {}

  /** Runs the task when it is its turn. Rejects with the error of `onFull` if it is refused, before or after it waited. */
  run<T>(path: string[], work: () => Promise<T>): Promise<T> {
    if (this.running < this.options.concurrency) return this.runNow(work); // then none waits
    return new Promise<T>((resolve, reject) => {
      // A task that waited starts when another request's task ends, but in the context of its own request.
      const context = new AsyncResource('FairQueueTask'); // AsyncResource.bind takes several times as long
      const start = () => context.runInAsyncScope(() => void this.runNow(work).then(resolve, reject));
      this.waiting.add(path, { start, reject });
      if (this.waiting.size > this.options.maxWaiting) this.waiting.removeNewest().reject(this.options.onFull());
    });
  }

  private async runNow<T>(work: () => Promise<T>): Promise<T> {
    this.running += 1;
    try {
      return await work();
    } finally {
      this.running -= 1;
      if (this.waiting.size > 0) this.waiting.removeNext().start();
    }
  }
}

/** The waiting tasks whose paths begin with the path of this group. A group without tasks is removed from its parent. */
class Group {
  /** The number of tasks in this group and its sub-groups. */
  size = 0;
  private readonly tasks: Task[] = [];
  /** In the order of their turns. */
  private readonly groups = new Map<string, Group>();

  add([name, ...path]: string[], task: Task): void {
    this.size += 1;
    if (name === undefined) {
      this.tasks.push(task);
      return;
    }
    const group = this.groups.get(name) ?? new Group();
    this.groups.set(name, group);
    group.add(path, task);
  }

  /** Removes the task whose turn it is; the next turn is that of another group. */
  removeNext(): Task {
    this.size -= 1;
    for (const [name, group] of this.groups) {
      this.groups.delete(name);
      const task = group.removeNext();
      if (group.size > 0) this.groups.set(name, group);
      return task;
    }
    return this.tasks.shift()!;
  }

  /** Removes the newest task of the largest group; of equally large ones, of the one whose turn is last. */
  removeNewest(): Task {
    this.size -= 1;
    let largest: [string, Group] | undefined;
    for (const entry of this.groups) if (entry[1].size >= (largest?.[1].size ?? 0)) largest = entry;
    if (!largest) return this.tasks.pop()!;
    const [name, group] = largest;
    const task = group.removeNewest();
    if (group.size === 0) this.groups.delete(name);
    return task;
  }
}
