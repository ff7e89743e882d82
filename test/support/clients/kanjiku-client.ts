import { expect } from 'vitest';
import { type Answer, PASSWORD, type TestApp } from '../app.js';
import { CookieJar } from './cookie-jar.js';

export const USERS = '/api/v1/User';
export const SESSION = '/api/v1/Session';

interface NewUser {
  username: string;
  password: string;
  email: string;
  birthday: string;
}

let counter = 0;
export function newUser(): NewUser {
  const username = `reader${++counter}`;
  return { username, password: PASSWORD, email: `${username}@example.org`, birthday: '1997-07-13' };
}

/** Status and key of a response, which must have a sentence, and nothing else. */
export function keyOf({ status, body }: Answer): [number, string] {
  expect(body).toEqual({ msg: expect.stringMatching(/^.{5,}$/), msg_key: expect.any(String) });
  return [status, body['msg_key']];
}

/** Sends the requests of the manga site. */
export class KanjikuClient {
  constructor(private readonly t: TestApp) {}

  send(method: string, path: string, jar = new CookieJar(), body?: unknown, headers = {}): Promise<Answer> {
    return this.t.request(method, path, { body, headers: { ...jar.header(), ...headers } });
  }

  register(body: unknown): Promise<Answer> {
    return this.send('POST', `${USERS}/register`, undefined, body);
  }

  login(jar: CookieJar, body: unknown, headers = {}): Promise<Answer> {
    return this.send('POST', `${SESSION}/login`, jar, body, headers);
  }

  /** Registers a user and signs in. */
  async signedIn(fields = newUser()): Promise<{ jar: CookieJar; username: string; id: string }> {
    await this.register(fields);
    const jar = new CookieJar();
    jar.store((await this.login(jar, fields)).headers);
    const { body } = await this.send('GET', `${USERS}/me`, jar);
    return { jar, username: fields.username, id: body['uuid'] };
  }
}
