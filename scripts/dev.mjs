// `npm run dev`: as `npm start`, and restarts Machi after every change of the sources.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { NEST, prepare, root } from './prepare.mjs';

await prepare();
process.chdir(root);
if (existsSync('.env')) process.loadEnvFile('.env');
process.env.NODE_ENV ||= 'development';
// No shell around Machi: the Nest CLI finds the child of a shell with "ps", which the container image lacks.
const child = spawn(process.execPath, [...NEST, 'start', '--watch', '--preserveWatchOutput', '--no-shell'], {
  stdio: 'inherit',
  detached: true,
});
// The Nest CLI does not forward signals to Machi, so they are sent to its whole process group.
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => process.kill(-child.pid, signal));
child.on('exit', (code) => process.exit(code ?? 0));
