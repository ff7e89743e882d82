import pLimit from 'p-limit';

/**
 * Calls `work` for each item, a number of them at a time. After a failure it starts no other call, waits for the calls that
 * run, and rejects with the first error.
 */
export async function mapUntilFailure<Item, Result>(
  items: Item[],
  concurrency: number,
  work: (item: Item, index: number) => Promise<Result>,
): Promise<Result[]> {
  const errors: unknown[] = [];
  const results = await pLimit(concurrency).map(items, async (item, index) => {
    if (errors.length > 0) return undefined;
    return work(item, index).catch((error: unknown) => void errors.push(error));
  });
  if (errors.length > 0) throw errors[0];
  return results as Result[];
}
