import { describe, expect, it } from 'vitest';
import { splitName, toMachineReadable } from './transliteration.js';

describe('toMachineReadable', () => {
  it.each([
    ['Md. Rahim Uddin', 'MD<RAHIM<UDDIN'],
    ["Aoife O'Connor-Smith", 'AOIFE<OCONNOR<SMITH'],
    ['Müller Ørsted Straße Åse', 'MUELLER<OERSTED<STRASSE<AASE'],
    ['Ñandú Łukasz', 'NANDU<LUKASZ'],
    ['Юлия Щербакова', 'IULIIA<SHCHERBAKOVA'],
    ['মোহাম্মদ রহমান', 'MOHAMMAD<RAHAMAN'],
    ['ফাতেমা বেগম', 'FATEMA<BEGAM'],
    ['শর্মিলা চৌধুরী', 'SHARMILA<CHAUDHURI'],
    ['😀', ''],
    ['', ''],
  ])('writes %j as %j', async (name, expected) => {
    expect(await toMachineReadable(name)).toBe(expected);
  });

  it('keeps the 80 letters that a certificate can hold', async () => {
    expect(await toMachineReadable('A'.repeat(100))).toHaveLength(80);
  });
});

describe('splitName', () => {
  it.each([
    ['Md. Rahim Uddin', { family: 'Uddin', given: 'Md. Rahim' }],
    ['Fatema', { family: 'Fatema', given: '' }],
  ])('divides %j', (name, expected) => {
    expect(splitName(name)).toEqual(expected);
  });
});
