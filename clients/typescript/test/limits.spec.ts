import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { PASSWORD, startApp, type TestApp } from '../../../test/support/app.js';
import { pauseOf, planOf } from '../dist/chat/reconnect.js';
import { CLOSE_CODES, MachiClient } from '../dist/index.js';

describe('the plan of a close code', () => {
  it.each(CLOSE_CODES.map((known) => [known.code, 'reason' in known ? known.reason : 'any text', known] as const))(
    'for %i "%s" is the documented one',
    (code, reason, known) => expect(planOf(code, reason)).toBe(known),
  );

  it('for an unknown code is that of a broken connection', () => {
    expect(planOf(4999, '')).toBe(planOf(1006, ''));
    expect(planOf(1005, '')).toBe(planOf(1006, ''));
  });

  it('for 4401 with an unknown reason asks for a sign-in', () => {
    expect(planOf(4401, 'something new').action).toBe('sign_in');
  });

  it('has random pauses that double up to their bound', () => {
    const broken = planOf(1006, '');
    const longest = [0, 1, 2, 3, 10, 1000].map((failures) => pauseOf(broken, failures, () => 1));
    expect(longest).toEqual([1000, 2000, 4000, 8000, 60_000, 60_000]);
    expect(pauseOf(broken, 5, () => 0)).toBe(0);
    expect(pauseOf(planOf(1012, 'restarting'), 0, () => 0.5)).toBe(2500);
  });

  it('never makes a loop without pauses', () => {
    const atOnce = planOf(4408, 'no answer to a ping');
    expect(pauseOf(atOnce, 0, () => 1)).toBe(0);
    expect(pauseOf(atOnce, 3, () => 1)).toBe(8000);
  });
});

describe('the limits of the server', () => {
  let t: TestApp;
  beforeAll(async () => {
    t = await startApp({ env: { RATE_LIMITS: 'on' } });
  });
  afterAll(() => t.stop());

  it('delay messages of two tabs and refuse none', async () => {
    const user = await t.user();
    const machi = new MachiClient({ baseUrl: t.url });
    await machi.signIn(user.username, PASSWORD);
    const closes: number[] = [];
    const chats = [machi.chat({ WebSocket }), machi.chat({ WebSocket })];
    for (const chat of chats) {
      chat.on('close', ({ code }) => closes.push(code));
      chat.connect();
    }
    const { id } = await chats[0]!.request('create_conversation', { members: [], name: 'Notes' });
    const sent = chats.flatMap((chat, tab) => Array.from({ length: 170 }, (_, i) => chat.send(id, `${tab}-${i}`)));
    const stored = await Promise.all(sent);
    expect(new Set(stored.map((message) => message.id)).size).toBe(340);
    expect(closes).toEqual([]);
    for (const chat of chats) chat.close();
  });
});
