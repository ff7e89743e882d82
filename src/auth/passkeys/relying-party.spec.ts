import { describe, expect, it } from 'vitest';
import { loadConfig } from '../../config/load-config.js';
import { RelyingParty } from './relying-party.provider.js';

const of = (env: Record<string, string>) => {
  const { id, origins } = new RelyingParty(loadConfig({ NODE_ENV: 'test', SECRET_KEY: 'x'.repeat(32), ...env }));
  return { id, origins };
};

describe('the relying party', () => {
  it.each<[Record<string, string>, { id: string; origins: string[] }]>([
    [{}, { id: 'localhost', origins: ['http://localhost:5000'] }],
    [{ PUBLIC_URL: 'https://machi.example/' }, { id: 'machi.example', origins: ['https://machi.example'] }],
    [{ PUBLIC_URL: 'https://m.example:8443' }, { id: 'm.example', origins: ['https://m.example:8443'] }],
    [
      { PUBLIC_URL: 'https://api.town.example', ALLOWED_ORIGINS: 'https://town.example' },
      { id: 'api.town.example', origins: ['https://api.town.example'] },
    ],
    [
      {
        PUBLIC_URL: 'https://api.town.example',
        PASSKEY_RP_ID: 'town.example',
        ALLOWED_ORIGINS:
          'https://town.example,https://app.town.example,https://downtown.example,https://town.example.net',
      },
      {
        id: 'town.example',
        origins: ['https://api.town.example', 'https://town.example', 'https://app.town.example'],
      },
    ],
    [
      { PUBLIC_URL: 'https://api.example', PASSKEY_RP_ID: 'town.example', ALLOWED_ORIGINS: 'https://town.example' },
      { id: 'town.example', origins: ['https://town.example'] },
    ],
    [{ ALLOWED_ORIGINS: '*' }, { id: 'localhost', origins: ['http://localhost:5000'] }],
  ])('with the settings %j has the expected id and origins', (env, expected) => expect(of(env)).toEqual(expected));

  it('rejects an id that contains none of the origins', () => {
    expect(() => of({ PUBLIC_URL: 'https://machi.example', PASSKEY_RP_ID: 'other.example' })).toThrow('PASSKEY_RP_ID');
  });

  it.each(['https://machi.example', 'Machi.example', 'machi.example:443', '127.0.0.1', '.example', 'a b'])(
    'rejects %s, which is not a domain',
    (PASSKEY_RP_ID) => expect(() => of({ PASSKEY_RP_ID })).toThrow('PASSKEY_RP_ID must be a domain'),
  );
});
