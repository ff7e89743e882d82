import { spawnSync } from 'node:child_process';
import { expect, it } from 'vitest';
import { type StoredSession, WebSessionStore } from '../dist/index.js';

const HANA: StoredSession = { id: 'hana', identity_token: 'hana-1', refresh_token: 'hana-refresh-1' };

type WebStorage = NonNullable<ConstructorParameters<typeof WebSessionStore>[0]>;

/** The part of Storage that the store uses. */
function storageWith(text: string): WebStorage {
  const items = new Map([['machi-session', text]]);
  return {
    getItem: (key: string) => items.get(key) ?? null,
    setItem: (key: string, value: string) => void items.set(key, value),
    removeItem: (key: string) => void items.delete(key),
  } as WebStorage;
}

it.each(['', '{"id":', 'null', '"hana"', '[]', '{}', '{"id":"hana"}', '{"id":"hana","identity_token":7}'])(
  'WebSessionStore treats the entry %j, which is no session, as signed out',
  (text) => {
    const store = new WebSessionStore(storageWith(text));
    expect(store.get()).toBeUndefined();
    store.set(HANA);
    expect(store.get()).toEqual(HANA);
  },
);

it('a named MemorySessionStore does not keep a Node.js process alive', () => {
  const program = `import { MemorySessionStore } from ${JSON.stringify(new URL('../dist/index.js', import.meta.url).href)};
    new MemorySessionStore('machi').set(undefined);`;
  const { status, signal } = spawnSync(process.execPath, ['--input-type=module', '-e', program], { timeout: 5000 });
  expect({ status, signal }).toEqual({ status: 0, signal: null });
});
