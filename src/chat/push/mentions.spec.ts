import { expect, it } from 'vitest';
import { mentionsIn } from './mentions.js';

it.each([
  ['hello @ren.ito', ['ren.ito']],
  ['@Ren.Ito: and (@mia_k)!', ['ren.ito', 'mia_k']],
  ['ask @ren.ito.', ['ren.ito.', 'ren.ito']],
  ['@ren-ito--', ['ren-ito--', 'ren-ito-', 'ren-ito']],
  ['町@renito 町 @renito町', []],
  ['ren@example.org, a.@renito, @@renito', []],
  ['@ab and @ and @' + 'a'.repeat(31), []],
  ['@ren\n@ren', ['ren']],
])('finds the names that %j mentions', (text, names) => {
  expect(mentionsIn(text)).toEqual(names);
});

it('is fast and bounded on a text of mentions and of punctuation only', () => {
  const start = performance.now();
  expect(mentionsIn(Array.from({ length: 4000 }, (_, i) => `@user${i}`).join(' '))).toHaveLength(100);
  expect(mentionsIn('@.'.repeat(8_000))).toEqual([]);
  expect(mentionsIn(`@${'.'.repeat(15_990)}`).length).toBeLessThan(30);
  expect(performance.now() - start).toBeLessThan(200);
});
