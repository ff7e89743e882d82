// `npm start`: everything from a bare clone to a running Machi, in this very process, so that signals reach it.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { prepare, root } from './prepare.mjs';

await prepare();
process.chdir(root); // DATA_DIR and .env are beside package.json, wherever npm was called from
if (existsSync('.env')) process.loadEnvFile('.env');
process.env.NODE_ENV ||= 'development';
process.setSourceMapsEnabled(true);
await import(pathToFileURL(join(root, 'dist/src/main.js')).href);
