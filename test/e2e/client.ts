import { randomBytes, randomInt } from 'node:crypto';
import { expect } from 'vitest';
import type { BodyOf, LooseBody } from '../support/api/api-body.js';

/** Address and kind of the stack under test, and the password of its administrator. */
export const MACHI_URL = (process.env['MACHI_URL'] ?? 'http://localhost:5000').replace(/\/$/, '');
export const STACK = process.env['MACHI_STACK'] ?? 'test';
const ADMIN_PASSWORD = process.env['ADMIN_PASSWORD'] ?? '';

export const PASSWORD = 'cloudy harbour seven';

export interface Answer<Body = LooseBody> {
  status: number;
  headers: Headers;
  text: string;
  /** The parsed JSON, or {} when there is none. */
  body: Body;
}

interface Options {
  token?: string | undefined;
  /** Strings and forms are sent unchanged, anything else as JSON. */
  body?: unknown;
  headers?: Record<string, string>;
}

export interface Session {
  identity_token: string;
  refresh_token: string;
  user: { id: string; username: string; email: string };
}

/** A client with an IP address of its own, so that the rate limits of one spec do not affect another. */
export class Client {
  readonly ip = `198.18.${randomInt(256)}.${randomInt(1, 255)}`; // RFC 2544: reserved for tests

  async request<Method extends string, Path extends string>(
    method: Method,
    path: Path,
    { token, body, headers = {} }: Options = {},
  ): Promise<Answer<BodyOf<Method, Path>>> {
    const isRaw = typeof body === 'string' || body instanceof FormData || body instanceof URLSearchParams;
    const response = await fetch(MACHI_URL + path, {
      method,
      redirect: 'manual',
      headers: {
        'x-forwarded-for': this.ip,
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
        ...(body === undefined || isRaw ? {} : { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: isRaw ? body : JSON.stringify(body) }),
    });
    const text = await response.text();
    const isJson = text !== '' && response.headers.get('content-type')?.includes('json');
    const parsed = (isJson ? JSON.parse(text) : {}) as BodyOf<Method, Path>;
    return { status: response.status, headers: response.headers, text, body: parsed };
  }

  get = <Path extends string>(path: Path, token?: string): Promise<Answer<BodyOf<'GET', Path>>> =>
    this.request('GET', path, { token });
  post = <Path extends string>(path: Path, body: unknown, token?: string): Promise<Answer<BodyOf<'POST', Path>>> =>
    this.request('POST', path, { body, token });

  /** Registers a user without signing in. */
  async register(fields: object = {}): Promise<{ id: string; username: string; email: string }> {
    const username = uniqueName();
    const email = `${username}@example.org`;
    const user = { username, email, password: PASSWORD, fullname: 'Hana Sató', ...fields };
    const { status, text, body } = await this.post('/api/users', user);
    expect([status, text]).toEqual([201, text]);
    return { username, email, id: body['id'] };
  }

  /** Signs in. The identity token expires after seconds in the test stack. */
  async signIn(login: string, password: string = PASSWORD): Promise<Answer<BodyOf<'POST', '/api/sessions'>>> {
    return this.post('/api/sessions', { login, password });
  }

  /** Registers a user and signs in. */
  async user(): Promise<Session> {
    const user = await this.register();
    const { status, text, body } = await this.signIn(user.username);
    expect([status, text]).toEqual([201, text]);
    return { ...(body as Session), user };
  }

  /** Returns a new identity token of the administrator. */
  async admin(): Promise<string> {
    const { status, text, body } = await this.signIn('admin', ADMIN_PASSWORD);
    expect([status, text]).toEqual([201, text]);
    return body['identity_token'];
  }
}

export const uniqueName = (): string => `p${randomBytes(6).toString('hex')}`;

/** The claims of a token, unverified. */
export const claimsOf = (token: string): Record<string, unknown> & { iat: number; exp: number } =>
  JSON.parse(Buffer.from(token.split('.')[1]!, 'base64url').toString()) as never;

/** Lifetime of a token in seconds. */
export const lifetimeOf = (token: string): number => claimsOf(token).exp - claimsOf(token).iat;

/** Expects problem+json with this status and code, and the request id of the header. */
export function expectProblem(answer: Answer, status: number, code: string): void {
  expect([answer.status, answer.text]).toEqual([status, answer.text]);
  expect(answer.headers.get('content-type')).toBe('application/problem+json');
  expect(answer.body).toMatchObject({ status, code, request_id: answer.headers.get('x-request-id') });
}
