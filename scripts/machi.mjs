#!/usr/bin/env node
// `npx machi` and `npm run admin:reset` in a checkout: prepares it and runs the command line with the settings of `npm start`.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { prepare, root } from './prepare.mjs';

await prepare();
process.chdir(root); // DATA_DIR and .env are relative to package.json, not to the caller's directory
if (existsSync('.env')) process.loadEnvFile('.env');
process.env.NODE_ENV ||= 'development';
process.setSourceMapsEnabled(true);
await import(pathToFileURL(join(root, 'dist/src/cli/machi.js')).href);
