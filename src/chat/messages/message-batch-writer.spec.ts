import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it, vi } from 'vitest';
import { MessageBatchWriterService } from './message-batch-writer.service.js';

type Dependencies = ConstructorParameters<typeof MessageBatchWriterService>;

it('messages fail after an outage of 30 s also when the clock was set back during it', async () => {
  let now = Date.now();
  const refuse = () => Promise.reject(Object.assign(new Error('refused'), { code: 'ECONNREFUSED' }));
  const query = vi.fn(refuse);
  const fakes = [
    { query },
    { versionsOf: () => [[], []] },
    { isActive: false },
    {},
    { select: () => undefined },
    { now: () => now },
    { histogramOf: () => undefined, total: () => undefined },
  ];
  const writer = new MessageBatchWriterService(...(fakes as unknown as Dependencies));
  const message = { conversation_id: 1, sender_id: 1, reply_id: null, nonce: 'x', content: 'x' };
  const appended = writer.append([message] as unknown as Parameters<typeof writer.append>[0]);
  let isFailed = false;
  void appended.then(() => (isFailed = true));
  await expect.poll(() => query.mock.calls.length).toBeGreaterThan(0);
  now -= 3_600_000;
  const calls = query.mock.calls.length;
  await expect.poll(() => query.mock.calls.length).toBeGreaterThan(calls + 1);
  expect(isFailed).toBe(false);
  now += 31_000;
  await sleep(500);
  expect(isFailed).toBe(true);
  expect((await appended).outcomes).toMatchObject([{ kind: 'failed', problem: { code: 'database_unavailable' } }]);
});
