// Writes the types of test/support/api/openapi-types.ts from openapi.json, when that is newer.
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { root } from './prepare.mjs';

const SOURCE = join(root, 'openapi.json');
const TARGET = join(root, 'test/support/api/openapi-types.ts');

export async function generateApiTypes() {
  if (existsSync(TARGET) && statSync(TARGET).mtimeMs > statSync(SOURCE).mtimeMs) return;
  const { astToString, default: openapiTypescript } = await import('openapi-typescript');
  const document = JSON.parse(readFileSync(SOURCE, 'utf8'));
  writeFileSync(TARGET, astToString(await openapiTypescript(document)));
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) await generateApiTypes();
