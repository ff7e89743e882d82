import { describe, expect, it, vi } from 'vitest';
import {
  MachiClient,
  MachiProblem,
  MemorySessionStore,
  type StoredSession,
  UnexpectedResponse,
} from '../dist/index.js';

const HANA: StoredSession = { id: 'hana', identity_token: 'hana-1', refresh_token: 'hana-refresh-1' };
const RENEWED = { id: 'hana', identity_token: 'hana-2', refresh_token: 'hana-refresh-2' };
const REN: StoredSession = { id: 'ren', identity_token: 'ren-1', refresh_token: 'ren-refresh-1' };

const json = (body: object, status = 200): Response => {
  const type = status === 200 ? 'application/json' : 'application/problem+json';
  return new Response(JSON.stringify(body), { status, headers: { 'content-type': type } });
};
const EXPIRED = () => json({ code: 'token_expired', status: 401, detail: 'The token has expired.' }, 401);

/** A client with the session of Hana, and the requests it makes, as "GET /api/users/me hana-1". */
function newClient(answer: (request: string, store: MemorySessionStore) => Response) {
  const store = new MemorySessionStore();
  store.set(HANA);
  const requests: string[] = [];
  const machi = new MachiClient({
    baseUrl: 'http://machi.test',
    store,
    fetch: async (url, init) => {
      const token = new Headers(init?.headers).get('authorization')?.slice('Bearer '.length) ?? '';
      const request = `${init?.method} ${new URL(url).pathname} ${token}`.trim();
      requests.push(request);
      return answer(request, store);
    },
  });
  return { machi, store, requests };
}

describe('a session that another tab changes', () => {
  it('is never used to repeat a call of the user who was signed in before', async () => {
    const { machi, requests } = newClient((_, store) => {
      store.set(REN);
      return EXPIRED();
    });
    await expect(machi.api.deleteMe({ body: {} } as never)).rejects.toBeInstanceOf(MachiProblem);
    expect(requests).toEqual(['DELETE /api/users/me hana-1']);
  });

  it('is used to repeat a call when that tab has refreshed it', async () => {
    const { machi, requests } = newClient((request, store) => {
      if (request.endsWith('hana-2')) return json({ id: 'hana' });
      store.set(RENEWED);
      return EXPIRED();
    });
    await expect(machi.api.getMe()).resolves.toEqual({ id: 'hana' });
    expect(requests).toEqual(['GET /api/users/me hana-1', 'GET /api/users/me hana-2']);
  });

  it.each([
    ['signed out', undefined],
    ['signed in as another user', REN],
  ])('stays as it is when a refresh ends after that tab has %s', async (_, changed) => {
    const { machi, store } = newClient((__, opened) => {
      opened.set(changed);
      return json(RENEWED);
    });
    await expect(machi.sessions.refresh(HANA)).resolves.toEqual(changed);
    expect(store.get()).toEqual(changed);
  });

  it('is not repeated with another user after the refresh', async () => {
    const { machi, requests } = newClient((request, store) => {
      if (request.startsWith('GET')) return EXPIRED();
      store.set(REN);
      return json(RENEWED);
    });
    await expect(machi.api.getMe()).rejects.toBeInstanceOf(MachiProblem);
    expect(requests).toEqual(['GET /api/users/me hana-1', 'POST /api/sessions/refresh']);
  });

  it('is kept when that tab has signed in as another user during a sign-out', async () => {
    const { machi, store } = newClient((_, opened) => {
      opened.set(REN);
      return new Response(null, { status: 204 });
    });
    await machi.signOut();
    expect(store.get()).toEqual(REN);
  });

  it('is forgotten by a sign-out during which it was refreshed', async () => {
    const { machi, store } = newClient((_, opened) => {
      opened.set(RENEWED);
      return new Response(null, { status: 204 });
    });
    await machi.signOut();
    expect(store.get()).toBeUndefined();
  });
});

it('a refresh that is not answered ends after 20 s, and the next one is sent', async () => {
  const limit = new AbortController();
  const timeout = vi.spyOn(AbortSignal, 'timeout').mockReturnValue(limit.signal);
  const answers = [new Promise<Response>(() => undefined), Promise.resolve(json(RENEWED))];
  const store = new MemorySessionStore();
  store.set(HANA);
  const { sessions } = new MachiClient({
    baseUrl: 'http://machi.test',
    store,
    fetch: (_, init) =>
      Promise.race([
        answers.shift()!,
        new Promise<never>((__, reject) => {
          init?.signal?.addEventListener('abort', () => reject(init.signal!.reason as Error));
        }),
      ]),
  });
  const refresh = sessions.refresh(HANA);
  limit.abort(new DOMException('The operation timed out.', 'TimeoutError'));
  await expect(refresh).rejects.toMatchObject({ name: 'TimeoutError' });
  expect(timeout).toHaveBeenCalledWith(20_000);
  await expect(sessions.refresh(HANA)).resolves.toEqual(RENEWED);
  timeout.mockRestore();
});

describe('an answer that is not of Machi', () => {
  const html = ['<h1>Sign in to this network</h1>', 'text/html; charset=utf-8'] as const;
  const answers: [name: string, body: string, type: string][] = [
    ['a page', ...html],
    ['an empty body', '', ''],
    ['broken JSON', '{"id":', 'application/json'],
    ['no JSON', '', 'application/json'],
    ['other JSON', '{"status":"ok"}', 'application/json'],
    ['null', 'null', 'application/json'],
  ];
  const clientOf = (body: string, type: string) => {
    const store = new MemorySessionStore();
    const headers: Record<string, string> = type === '' ? {} : { 'content-type': type };
    const encoded = new TextEncoder().encode(body);
    const machi = new MachiClient({
      baseUrl: 'http://machi.test',
      store,
      fetch: async () => new Response(encoded, { headers }),
    });
    return { machi, store };
  };

  it.each(answers)('keeps the session and rejects a refresh: %s', async (_, body, type) => {
    const { machi, store } = clientOf(body, type);
    store.set(HANA);
    await expect(machi.sessions.refresh(HANA)).rejects.toBeInstanceOf(UnexpectedResponse);
    expect(store.get()).toEqual(HANA);
  });

  it.each(answers)('rejects a sign-in and keeps no session: %s', async (_, body, type) => {
    const { machi, store } = clientOf(body, type);
    await expect(machi.signIn('hana', 'password')).rejects.toBeInstanceOf(UnexpectedResponse);
    expect(store.get()).toBeUndefined();
  });

  it('rejects calls: a page, and broken JSON', async () => {
    for (const [body, type] of [html, ['{"id":', 'application/json']] as const) {
      const { machi } = clientOf(body, type);
      await expect(machi.api.getHealth()).rejects.toEqual(new UnexpectedResponse(200, body));
    }
  });
});
