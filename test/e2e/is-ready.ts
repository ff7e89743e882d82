import { setTimeout as sleep } from 'node:timers/promises';
import { MACHI_URL } from './client.js';

/** Reports once, for all suites, that the server does not answer. */
export async function setup(): Promise<void> {
  const deadline = Date.now() + 60_000;
  for (;;) {
    const answer = await fetch(`${MACHI_URL}/api/health/ready`).catch((error: Error) => error);
    if (answer instanceof Response && answer.ok) return;
    if (Date.now() > deadline) throw new Error(`No Machi is ready at ${MACHI_URL}.`, { cause: answer });
    await sleep(500);
  }
}
