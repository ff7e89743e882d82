import { expect, it } from 'vitest';
import { element, toXml } from './xml.js';

it('toXml escapes texts and attributes, and drops characters that XML does not allow', () => {
  const hostile = `a ]]> <b a='1'>"&amp;\u0000\u0007\ufffe\ud800 😀`;
  const escaped = 'a ]]&gt; &lt;b a=&#39;1&#39;&gt;&quot;&amp;amp;\ufffd 😀';
  expect(toXml(element('x', { y: hostile, z: undefined }, hostile, undefined, element('empty')))).toBe(
    `<?xml version="1.0" encoding="utf-8"?>\n<x y="${escaped}">${escaped}<empty/></x>\n`,
  );
});
