import { expect, it } from 'vitest';
import { readSourceFiles, sourceFile, type SourceFile } from '../support/source-files.js';

const readsEnvironment = ({ module, code }: SourceFile): boolean =>
  module !== 'config' && /\bprocess\.env\b/.test(code);

it('only src/config/ reads process.env', () => {
  expect(readSourceFiles().filter(readsEnvironment)).toEqual([]);
  expect(readsEnvironment(sourceFile('mail/mail.worker.ts', "const url = process.env['SMTP_URL'];"))).toBe(true);
});
