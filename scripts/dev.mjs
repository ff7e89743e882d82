// `npm run dev`: as `npm start`, and again after every change of the sources.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { prepare, root } from './prepare.mjs';

await prepare();
process.chdir(root);
if (existsSync('.env')) process.loadEnvFile('.env');
process.env.NODE_ENV ||= 'development';
const nest = join(root, 'node_modules/@nestjs/cli/bin/nest.js');
const child = spawn(process.execPath, [nest, 'start', '--watch', '--preserveWatchOutput'], { stdio: 'inherit' });
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => child.kill(signal));
child.on('exit', (code) => process.exit(code ?? 0));
