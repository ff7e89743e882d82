#!/usr/bin/env node
// `npx machi` and `npm run admin:reset` in a checkout: prepares it and runs the command line with the settings of `npm start`.
import { runBuilt } from './run-built.mjs';

await runBuilt('cli/machi.js');
