import { createHmac } from 'node:crypto';
import type { SignedInUser, TestApp } from '../app.js';

/** An authenticator app, written from RFC 6238 and not with the library that Machi checks codes with. */
export function codeAt(secret: string, now: number): string {
  const bits = Array.from(secret, (character) =>
    'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'.indexOf(character).toString(2).padStart(5, '0'),
  ).join('');
  const key = Buffer.from(bits.match(/.{8}/g)!.map((byte) => parseInt(byte, 2)));
  const counter = Buffer.alloc(8);
  counter.writeBigUInt64BE(BigInt(Math.floor(now / 30_000)));
  const mac = createHmac('sha1', key).update(counter).digest();
  const offset = mac[19]! & 15;
  return String((mac.readUInt32BE(offset) & 0x7fffffff) % 1_000_000).padStart(6, '0');
}

/** A code that is none of those which count now. */
export function wrongCodeAt(secret: string, now: number): string {
  const right = [-1, 0, 1].map((step) => codeAt(secret, now + step * 30_000));
  return ['000000', '111111', '222222', '333333'].find((code) => !right.includes(code))!;
}

export interface TwoFactorUser extends SignedInUser {
  secret: string;
  recoveryCodes: string[];
}

/** A user, by default a new one, with two-factor authentication. The code of the current time step has been used. */
export async function twoFactorUser(t: TestApp, existing?: SignedInUser): Promise<TwoFactorUser> {
  const user = existing ?? (await t.user());
  const { token } = user;
  const begun = await t.request('POST', '/api/users/me/two-step', { token, body: { current_password: user.password } });
  const secret = begun.body['secret'];
  const code = codeAt(secret, t.clock.now());
  const { status, body, text } = await t.request('POST', '/api/users/me/two-step/confirm', { token, body: { code } });
  if (status !== 200) throw new Error(`two-factor: ${status} ${text}`);
  return { ...user, secret, recoveryCodes: body['recovery_codes'] };
}

/** The challenge that the right password gets. */
export async function challengeFor(t: TestApp, { username, password }: SignedInUser): Promise<string> {
  const { body, text } = await t.request('POST', '/api/sessions', { body: { login: username, password } });
  if (body['code'] !== 'two_step_required') throw new Error(`no challenge: ${text}`);
  return body['challenge']!;
}
