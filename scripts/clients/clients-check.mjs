// `npm run clients:check`: generates clients from openapi.json with three generators and compiles them strictly, together
// with the calls in scripts/clients. Needs no network. @hey-api/openapi-ts is the last version that runs on Node.js 20.
import { createClient } from '@hey-api/openapi-ts';
import { generateSource } from 'oazapfts';
import openapiTypescript, { astToString } from 'openapi-typescript';
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';
import { root } from '../prepare.mjs';

const clients = join(root, 'scripts/clients');
const generated = join(clients, 'generated');
const source = join(root, 'openapi.json');

rmSync(generated, { recursive: true, force: true });
mkdirSync(generated, { recursive: true });
/** Without it, openapi-typescript declares files as strings; its documentation proposes this transform. */
const BLOB = ts.factory.createTypeReferenceNode('Blob');
const blobForFiles = ({ format }) => (format === 'binary' ? BLOB : undefined);

const document = JSON.parse(readFileSync(source, 'utf8'));
const types = await openapiTypescript(document, { transform: blobForFiles });
writeFileSync(join(generated, 'openapi-types.ts'), astToString(types));
await createClient({
  input: source,
  output: join(generated, 'hey-api'),
  plugins: ['@hey-api/typescript', '@hey-api/sdk', '@hey-api/client-fetch'],
  logs: { level: 'error', file: false },
});

writeFileSync(join(generated, 'oazapfts.ts'), await generateSource(source));

const tsc = join(root, 'node_modules/typescript/bin/tsc');
const { status } = spawnSync(process.execPath, [tsc, '-p', clients], { stdio: 'inherit' });
process.exitCode = status ?? 1;
