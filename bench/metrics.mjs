// What metrics cost `GET /api/users/me`: Machi with METRICS_PORT against Machi without.
import { interleave } from './harness.mjs';
import { toRows } from './results.mjs';
import { makeUsers, withWorld } from './world.mjs';

const CONNECTIONS = 32;

export const options = { seconds: 4, rounds: 15 };

export function run({ seconds, rounds }) {
  const production = { NODE_ENV: 'production', RATE_LIMITS: 'on', MAX_REQUESTS_PER_MINUTE: '1000000' };
  return withWorld(production, async (world) => {
    const users = await makeUsers(world, CONNECTIONS, 'Administrators');
    const servers = [await world.startMachi('Machi with metrics', { METRICS_PORT: '0' }), world.machi];
    await interleave(servers, {
      path: '/api/users/me',
      connections: CONNECTIONS,
      headersOf: (number) => ({ authorization: `Bearer ${users[number % CONNECTIONS].token}` }),
      seconds,
      rounds,
    });
    return toRows('GET /api/users/me', servers);
  });
}
