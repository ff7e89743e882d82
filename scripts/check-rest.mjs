// `npm run check:rest`: all checks besides the tests of the server. Two run at once, since most of them use one processor. The
// output of each is printed when it ends. After a failure no further one is started.
import { spawn } from 'node:child_process';
import { prepare, root } from './prepare.mjs';
import { generateApiTypes } from './api-types.mjs';

/** Scripts of package.json that run one after the other. `client:test` builds the client again: nothing that reads it runs then. */
const LANES = [
  ['typecheck', 'format:check', 'openapi:lint', 'supply-chain'],
  ['lint', 'openapi:check', 'clients:check', 'client:test'],
];

let hasFailed = false;
const children = new Set();
for (const signal of ['SIGINT', 'SIGTERM'])
  process.on(signal, () => {
    hasFailed = true;
    for (const child of children) child.kill(signal);
  });

/** Resolves when the script has ended and its output is printed. */
function run(name) {
  const start = performance.now();
  return new Promise((resolve) => {
    const child = spawn('npm', ['run', '--silent', name], { cwd: root, shell: process.platform === 'win32' });
    children.add(child);
    let output = '';
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding('utf8').on('data', (text) => {
        output += text;
      });
    child.on('error', (error) => {
      output += `${error.message}\n`;
    });
    child.on('close', (code) => {
      children.delete(child);
      if (code !== 0) hasFailed = true;
      const outcome = code === 0 ? 'done' : `FAILED (${code})`;
      process.stdout.write(`\n> ${name}: ${outcome} in ${Math.round((performance.now() - start) / 1000)} s\n${output}`);
      resolve();
    });
  });
}

async function runLane(names) {
  for (const name of names) if (!hasFailed) await run(name);
}

await prepare();
await generateApiTypes();
await Promise.all(LANES.map(runLane));
if (hasFailed) {
  console.error('\nA check has failed: see above.');
  process.exitCode = 1;
}
