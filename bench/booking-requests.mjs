// Bookings over HTTP, compared with a bare server that verifies the token and books with one prepared INSERT. Each person books once
// in a round.
import autocannon from 'autocannon';
import { usage } from './support/harness.mjs';
import { toRows } from './support/results.mjs';
import { makeCentre, makeSessions, registerPeople } from './support/vaccination-world.mjs';
import { makeUsers, withWorld } from './support/world.mjs';

const CONNECTIONS = 100;

export const options = { people: 6000, rounds: 5 };

export function run({ people = 3000, rounds }) {
  const production = { NODE_ENV: 'production', RATE_LIMITS: 'on', MAX_REQUESTS_PER_MINUTE: '1000000' };
  return withWorld(production, async (world) => {
    const { query } = world;
    await makeCentre(query);
    const [session_id] = await makeSessions(query, 1, 1_000_000);
    const bookers = await registerPeople(query, await makeUsers(world, people));
    const env = { PUBLIC_KEY: world.publicKey, CONNECTION: JSON.stringify(world.connection) };
    const bare = await world.start('node:http + pg, one INSERT', 'bench/baselines/bookings.mjs', env);
    const series = [world.machi, bare].map((server) => ({ ...server, rounds: [] }));
    for (let round = 0; round <= rounds; round++) {
      for (const { name, url, pid, rounds: results } of series) {
        await query('delete from vaccination_appointments');
        await query('truncate vaccination_notices');
        await query('vacuum analyze vaccination_appointments, vaccination_registrations, vaccination_sessions');
        const [before, pgBefore] = [usage(pid).cpu, world.postgresCpu()];
        const { rate, ...latencies } = await bookAll(name, url, bookers, session_id);
        const { cpu, rss } = usage(pid);
        const perBooking = (seconds) => (seconds / people) * 1e6;
        if (round === 0) continue;
        results.push({
          rate,
          ...latencies,
          rss,
          cpu: perBooking(cpu - before),
          pgCpu: perBooking(world.postgresCpu() - pgBefore),
        });
      }
    }
    return toRows(`Bookings over HTTP, ${CONNECTIONS} clients`, series, { unit: 'bookings/s' });
  });
}

/** Every person books a place in the session. */
async function bookAll(name, url, bookers, session_id) {
  let next = 0;
  const setupRequest = (request) => {
    const { id, token } = bookers[next++ % bookers.length];
    const headers = { ...request.headers, authorization: `Bearer ${token}`, 'content-type': 'application/json' };
    return { ...request, headers, body: JSON.stringify({ registration_id: id, session_id }) };
  };
  const requests = [{ method: 'POST', path: '/api/vaccination/appointments', setupRequest }];
  const start = performance.now();
  let end = start; // autocannon itself notices the end only at the end of a second
  const load = autocannon({ url, connections: CONNECTIONS, amount: bookers.length, requests });
  load.on('response', () => (end = performance.now()));
  const result = await load;
  const seconds = (end - start) / 1000;
  if (result.non2xx || result.errors) throw new Error(`${name}: ${result.non2xx} refused, ${result.errors} failed`);
  return { rate: bookers.length / seconds, p50: result.latency.p50, p99: result.latency.p99 };
}
