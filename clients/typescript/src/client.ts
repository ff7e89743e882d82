import { ChatClient, type ChatOptions } from './chat/chat-client.js';
import { OPERATIONS } from './generated/api.js';
import {
  type AnyArguments,
  type Api,
  type Arguments,
  newRequest,
  type OperationId,
  type PlainRequest,
  readResult,
  type Result,
} from './operations.js';
import { errorOf, MachiProblem, UnexpectedResponse } from './problem.js';
import { Push } from './push.js';
import { MemorySessionStore, type SessionStore, type StoredSession } from './session-store.js';
import { type SessionDto, Sessions } from './sessions.js';
import { send } from './transport.js';

export interface MachiOptions {
  /** Where Machi is; by default, the origin of the page. */
  baseUrl?: string;
  /** By default, the session is kept in memory. */
  store?: SessionStore;
  /**
   * Where the refresh token is kept: by the client (`body`, the default), or by the browser in a cookie that no script can read.
   */
  refresh?: 'body' | 'cookie';
  /** Replaces the global `fetch`. */
  fetch?: typeof fetch;
}

/**
 * All calls of all tabs wait for a refresh, and a network that drops packets answers none. Longer than the server takes; a
 * refresh that is repeated gets the same tokens.
 */
const REFRESH_TIMEOUT_MS = 20_000;

/** A result with the response that it came in, for its headers. */
export interface Answer<T> {
  data: T;
  response: Response;
}

/** The calls whose answer is a session, which the client keeps. */
type SessionOperation = 'signIn' | 'signInWithTwoFactorCode' | 'refreshSession';

/** Calls Machi with the session of a user. */
export class MachiClient {
  /** All calls by name, such as `api.getMe()`. A token that has expired is refreshed, and the call is repeated. */
  readonly api: Api;
  readonly sessions: Sessions;
  /** Notifications of messages while the user is not connected. */
  readonly push: Push;
  private readonly baseUrl: string;
  /** What sign-ins say about the refresh token. */
  private readonly delivery: { refresh?: 'cookie' };
  private readonly fetchFunction: typeof fetch;

  constructor({ baseUrl, store, refresh = 'body', fetch: fetchFunction }: MachiOptions = {}) {
    this.baseUrl = (baseUrl ?? originOfPage()).replace(/\/$/, '');
    this.delivery = refresh === 'cookie' ? { refresh } : {};
    this.fetchFunction = fetchFunction ?? ((...args) => fetch(...args));
    this.sessions = new Sessions(
      store ?? new MemorySessionStore(),
      `machi ${this.baseUrl}`,
      refresh === 'cookie',
      (session) => this.callRefresh(session),
    );
    const calls = Object.keys(OPERATIONS).map((id) => [
      id,
      async (args: AnyArguments = {}) => (await this.answer(newRequest(id as OperationId, args))).data,
    ]);
    this.api = Object.fromEntries(calls) as Api;
    this.push = new Push(this.api);
  }

  /** Whether there is a session: kept in the store, or got by the refresh cookie. To be called when a page is loaded. */
  async restore(): Promise<boolean> {
    return this.isSignedIn || (await this.sessions.refresh(undefined)) !== undefined;
  }

  get isSignedIn(): boolean {
    return this.sessions.current !== undefined;
  }

  /**
   * Signs in with a password and keeps the session. Rejects with the problem `two_step_required` if the user has two-factor
   * authentication; then call `signInWithCode` with its `challenge`.
   */
  async signIn(login: string, password: string): Promise<SessionDto['user']> {
    return this.keep(await this.callPublic('signIn', { body: { login, password, ...this.delivery } }));
  }

  /** The second step of a sign-in: a code of the authenticator app, or a recovery code. */
  async signInWithCode(challenge: string, code: string): Promise<SessionDto['user']> {
    return this.keep(await this.callPublic('signInWithTwoFactorCode', { body: { challenge, code, ...this.delivery } }));
  }

  /** Keeps the session of another way to sign in, such as `api.signInWithPasskey(…)`. */
  keep(session: SessionDto): SessionDto['user'] {
    this.sessions.keep(session);
    return session.user;
  }

  /** Ends the session on the server and forgets it. */
  async signOut(): Promise<void> {
    const { current: ended } = this.sessions;
    if (ended || this.delivery.refresh === 'cookie') {
      try {
        await this.api.signOut();
      } catch (error) {
        if (!(error instanceof MachiProblem && error.status === 401)) throw error; // it has ended already
      }
    }
    const { current } = this.sessions; // refreshed meanwhile, or of another user who has signed in meanwhile
    if (current?.id === ended?.id) this.sessions.forget(current);
  }

  /** As `api[id](args)`, with the response: `(await machi.call('getProject', …)).response.headers.get('etag')`. */
  async call<Id extends OperationId>(id: Id, args: Arguments<Id>): Promise<Answer<Result<Id>>> {
    return (await this.answer(newRequest(id, args as AnyArguments))) as Answer<Result<Id>>;
  }

  /** The chat of the user. It connects when `connect` is called. */
  chat(options: Omit<ChatOptions, 'url' | 'tokens'> = {}): ChatClient {
    const url = `${this.baseUrl.replace(/^http/, 'ws')}/api/ws`;
    const { sessions } = this;
    const tokens = {
      current: () => sessions.current?.identity_token,
      refresh: async (used: string | undefined): Promise<string | undefined> => {
        const { current } = sessions;
        if (current && current.identity_token !== used) return current.identity_token;
        return (await sessions.refresh(current))?.identity_token;
      },
      forget: (used: string | undefined) => {
        if (sessions.current?.identity_token === used) sessions.forget(sessions.current);
      },
    };
    return new ChatClient({ ...options, url, tokens });
  }

  private async answer(request: PlainRequest): Promise<Answer<unknown>> {
    const session = this.sessions.current;
    let response = await this.send(request, session);
    if (response.status === 401 && session) {
      const renewed = await this.renew(response.clone(), session);
      if (renewed) response = await this.send(request, renewed);
    }
    if (!response.ok) throw await errorOf(response);
    return { data: await readResult(response), response };
  }

  /**
   * The session to repeat a refused call with, if the refusal is about its token: the same session, since another tab may have
   * signed in another user, who did not make the call.
   */
  private async renew(refusal: Response, session: StoredSession): Promise<StoredSession | undefined> {
    const newer = await this.findNewer(refusal, session);
    return newer?.id === session.id ? newer : undefined;
  }

  private async findNewer(refusal: Response, session: StoredSession): Promise<StoredSession | undefined> {
    const error = await errorOf(refusal);
    if (!(error instanceof MachiProblem && error.is('token_expired', 'invalid_token'))) return undefined;
    const { current } = this.sessions;
    if (current && current.identity_token !== session.identity_token) return current;
    if (error.code === 'token_expired') return this.sessions.refresh(session);
    this.sessions.forget(session);
    return undefined;
  }

  /** A call that signs in or refreshes. Its answer is checked: whatever else it is must not replace the session. */
  private async callPublic<Id extends SessionOperation>(
    id: Id,
    args: Arguments<Id>,
    session?: StoredSession,
  ): Promise<SessionDto> {
    const response = await this.send(newRequest(id, args as AnyArguments), session);
    if (!response.ok) throw await errorOf(response);
    const result = (await readResult(response)) as Partial<SessionDto> | null | undefined;
    if (typeof result?.identity_token === 'string') return result as SessionDto;
    throw new UnexpectedResponse(response.status, JSON.stringify(result) ?? '');
  }

  /** With its last identity token, a page never continues as the user whom another tab has signed in. */
  private callRefresh(session: StoredSession | undefined): Promise<SessionDto> {
    const { refresh_token } = session ?? {};
    const signal = AbortSignal.timeout(REFRESH_TIMEOUT_MS);
    if (refresh_token !== undefined) return this.callPublic('refreshSession', { body: { refresh_token }, signal });
    return this.callPublic('refreshSession', { body: { refresh: 'cookie' }, signal }, session);
  }

  private send(request: PlainRequest, session: StoredSession | undefined): Promise<Response> {
    const authorization = session ? { authorization: `Bearer ${session.identity_token}` } : {};
    const headers = { ...request.headers, ...authorization };
    const hasCookie = this.delivery.refresh === 'cookie' && request.target.startsWith('/api/sessions');
    const credentials = hasCookie ? 'include' : 'same-origin';
    return send(this.baseUrl + request.target, { ...request, headers }, credentials, this.fetchFunction);
  }
}

function originOfPage(): string {
  const { location } = globalThis as Partial<typeof globalThis>;
  if (!location) throw new TypeError('Set baseUrl: there is no page whose origin could be used.');
  return location.origin;
}
