import { randomBytes, randomInt } from 'node:crypto';
import { expect } from 'vitest';

/** Where Machi is, which stack it is of, and the password that the stack gave its administrator. */
export const MACHI_URL = (process.env['MACHI_URL'] ?? 'http://localhost:5000').replace(/\/$/, '');
export const STACK = process.env['MACHI_STACK'] ?? 'test';
const ADMIN_PASSWORD = process.env['ADMIN_PASSWORD'] ?? '';

export const PASSWORD = 'cloudy harbour seven';

// A test looks into answers of every shape and says what it expects to find.
// oxlint-disable-next-line typescript/no-explicit-any
type Body = Record<string, any>;

export interface Answer {
  status: number;
  headers: Headers;
  text: string;
  /** The parsed JSON, or {} when there is none. */
  body: Body;
}

interface Options {
  token?: string | undefined;
  /** A string, a form or bytes go out as they are, anything else as JSON. */
  body?: unknown;
  headers?: Record<string, string>;
}

export interface Session {
  identity_token: string;
  refresh_token: string;
  /** Who is signed in. */
  user: { id: string; username: string; email: string };
}

/** One client: each has a network of its own, so that the limits of one spec do not hit another. */
export class Client {
  readonly ip = `198.18.${randomInt(256)}.${randomInt(1, 255)}`; // RFC 2544: for tests

  async request(method: string, path: string, { token, body, headers = {} }: Options = {}): Promise<Answer> {
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
    return { status: response.status, headers: response.headers, text, body: isJson ? (JSON.parse(text) as Body) : {} };
  }

  get = (path: string, token?: string): Promise<Answer> => this.request('GET', path, { token });
  post = (path: string, body: unknown, token?: string): Promise<Answer> => this.request('POST', path, { body, token });

  /** A new person, not signed in. */
  async register(fields: object = {}): Promise<{ id: string; username: string; email: string }> {
    const username = uniqueName();
    const email = `${username}@example.org`;
    const person = { username, email, password: PASSWORD, fullname: 'Hana Sató', ...fields };
    const { status, text, body } = await this.post('/api/users', person);
    expect([status, text]).toEqual([201, text]);
    return { username, email, id: body['id'] as string };
  }

  /** Only to be used soon: tokens are short-lived here. */
  async signIn(login: string, password: string = PASSWORD): Promise<Answer> {
    return this.post('/api/sessions', { login, password });
  }

  /** A new person, just signed in. */
  async user(): Promise<Session> {
    const user = await this.register();
    const { status, text, body } = await this.signIn(user.username);
    expect([status, text]).toEqual([201, text]);
    return { ...(body as Session), user };
  }

  /** A fresh token of the administrator. */
  async admin(): Promise<string> {
    const { status, text, body } = await this.signIn('admin', ADMIN_PASSWORD);
    expect([status, text]).toEqual([201, text]);
    return body['identity_token'] as string;
  }
}

export const uniqueName = (): string => `p${randomBytes(6).toString('hex')}`;

/** The claims of a token, unverified. */
export const claimsOf = (token: string): Record<string, unknown> & { iat: number; exp: number } =>
  JSON.parse(Buffer.from(token.split('.')[1]!, 'base64url').toString()) as never;

/** Seconds from when it was issued to its end. */
export const lifeOf = (token: string): number => claimsOf(token).exp - claimsOf(token).iat;

/** A failure as all of them look. */
export function expectProblem(answer: Answer, status: number, code: string): void {
  expect([answer.status, answer.text]).toEqual([status, answer.text]);
  expect(answer.headers.get('content-type')).toBe('application/problem+json');
  expect(answer.body).toMatchObject({ status, code, request_id: answer.headers.get('x-request-id') });
}
