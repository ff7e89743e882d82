// `npm start`: prepares the checkout and runs Machi in this process, so that signals reach it.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { prepare, root } from './prepare.mjs';

await prepare();
process.chdir(root); // DATA_DIR and .env are relative to package.json, not to the caller's directory
if (existsSync('.env')) process.loadEnvFile('.env');
process.env.NODE_ENV ||= 'development';
process.setSourceMapsEnabled(true);
await import(pathToFileURL(join(root, 'dist/src/main.js')).href);
