import { afterAll, beforeAll, expect, it } from 'vitest';
import { createKeyPair, readCertifiedKeyPair } from '../../../src/common/keys/key-pair.js';
import { startApp, type TestApp } from '../../support/app.js';
import { vaccinationWorld } from '../../support/vaccination/vaccination.js';
import { recordDose } from '../../support/vaccination/vaccination-doses.js';

const KEY = createKeyPair();
const REVOKED = 200_000;

const INSERT = `insert into vaccination_certificates
    (id, dose_id, uvci, rid, hcert, shc, hcert_kid, shc_kid, issued_at, expires_at, revoked_at)
  select gen_random_uuid(), dose_id, 'URN:UVCI:01:BD:' || $1::int + n, 'r' || $1::int + n, 'HC1:', 'shc:/', hcert_kid, shc_kid,
    issued_at, expires_at, issued_at
  from vaccination_certificates, generate_series(1, 10000) n where revoked_at is null`;

let t: TestApp;
beforeAll(async () => {
  t = await startApp({ env: { CERTIFICATE_KEY: KEY } });
  const owner = await t.user();
  const dose = await recordDose(t, await vaccinationWorld(t), owner);
  const body = { dose_id: dose.id };
  await t.request('POST', '/api/vaccination/certificates', { token: owner.token, body });
  for (let done = 0; done < REVOKED; done += 10_000) await t.dataSource.query(INSERT, [done]);
  await t.dataSource.query('vacuum analyze vaccination_certificates');
});
afterAll(() => t.stop());

it('revocation lists with 200,000 entries are sent whole, while the process answers other requests', async () => {
  const [key] = (await t.request('GET', '/.well-known/hcert-keys.json')).body.keys;
  const hcertKid = Buffer.from(key!.kid, 'base64').toString('base64url');
  const hcert = `/api/vaccination/certificates/hcert/revocations/${hcertKid}`;
  const shc = `/api/vaccination/certificates/shc/.well-known/crl/${readCertifiedKeyPair(KEY).published.kid}.json`;
  let longest = 0;
  let last = performance.now();
  const timer = setInterval(() => {
    longest = Math.max(longest, performance.now() - last);
    last = performance.now();
  }, 5);
  const get = async (path: string) => JSON.parse((await t.request('GET', path)).text) as Record<string, unknown[]>;
  const [first, second] = [await get(hcert), await get(shc)];
  clearInterval(timer);
  expect(first['entries']).toHaveLength(REVOKED);
  expect(second['rids']).toHaveLength(REVOKED);
  expect(second['ctr']).toBe(REVOKED);
  expect(longest).toBeLessThan(400);
});
