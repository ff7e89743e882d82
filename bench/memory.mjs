// Whether memory grows: the town, minute after minute, at a rate that Machi keeps easily. `--seconds` is the whole time.
import { median } from './support/harness.mjs';
import { withChat } from './support/chat-world.mjs';
import { toRows } from './support/results.mjs';
import { connectMembers, makeTown, measure, scaledRates } from './town.mjs';

const MINUTE = 60;
const FACTOR = 0.3;
/** Caches and compiled code grow in these minutes; memory is compared with the five after them. */
const WARM_UP = 10;
const COMPARED = 5;

export const options = { seconds: 3600 };

export function run({ seconds }) {
  const minutes = Math.round(seconds / MINUTE);
  if (minutes < WARM_UP + 2 * COMPARED) throw new Error(`--seconds: at least ${(WARM_UP + 2 * COMPARED) * MINUTE}`);
  return withChat(1, async (world, load) => {
    const town = await makeTown(world);
    await connectMembers(world, load, town);
    // Each person books once.
    const rates = { ...scaledRates(FACTOR), bookings: town.bookers.length / minutes / MINUTE };
    const results = [];
    for (let minute = 1; minute <= minutes; minute++) {
      results.push(await measure(world, load, town, rates, MINUTE));
      const { kinds, rss } = results.at(-1);
      console.error(`minute ${minute}: ${Math.round(rss)} MiB, p99 of reads ${kinds.reads.p99.toFixed(0)} ms`);
    }
    await load.all('close');
    return toMemoryRows(results, minutes);
  });
}

function toMemoryRows(results, minutes) {
  const memory = results.map(({ rss }) => rss);
  const early = median(memory.slice(WARM_UP, WARM_UP + COMPARED));
  const late = median(memory.slice(-COMPARED));
  const kinds = results.flatMap((result) => Object.values(result.kinds));
  const requests = kinds.reduce((sum, { rate }) => sum + rate * MINUTE, 0);
  const errors = kinds.reduce((sum, kind) => sum + kind.errors, 0);
  const growth = ((late / early - 1) * 100).toFixed(1);
  const row = (name, round, unit) => toRows(`Town, ${minutes} minutes`, [{ name, rounds: [round] }], { unit })[0];
  return [
    row(`memory after ${WARM_UP} minutes`, { rate: early }, 'MiB'),
    row('memory at the end', { rate: late }, `MiB: ${growth} % more`),
    row('most memory after a minute', { rate: Math.max(...memory) }, 'MiB'),
    row('requests and messages', { rate: requests }, `in all, ${errors} errors`),
    row('median of the p99 of reads', { rate: median(results.map((result) => result.kinds.reads.p99)) }, 'ms'),
  ];
}
