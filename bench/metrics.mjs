// What metrics cost `GET /api/users/me`: Machi with METRICS_PORT against Machi without.
import { compareProfiles } from './me.mjs';

export const options = { seconds: 4, rounds: 15 };

export const run = (times) =>
  compareProfiles(times, async (world) => [
    await world.startMachi('Machi with metrics', { METRICS_PORT: '0' }),
    world.machi,
  ]);
