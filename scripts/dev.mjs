// `npm run dev`: as `npm start`, and again after every change of the sources.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { NEST, prepare, root } from './prepare.mjs';

await prepare();
process.chdir(root);
if (existsSync('.env')) process.loadEnvFile('.env');
process.env.NODE_ENV ||= 'development';
// Without a shell around Machi: the Nest CLI finds what is below a shell by "ps", which an image may not have.
const child = spawn(process.execPath, [...NEST, 'start', '--watch', '--preserveWatchOutput', '--no-shell'], {
  stdio: 'inherit',
  detached: true,
});
// The Nest CLI does not pass signals on to the Machi it has started: its whole group gets them.
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => process.kill(-child.pid, signal));
child.on('exit', (code) => process.exit(code ?? 0));
