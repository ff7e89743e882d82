// `npm run tour`: walks through every module of a running Machi and prints the requests and answers. Starts a Machi with a
// temporary database if none runs. `-- --write` puts the output into README.md; a test keeps the two equal.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { prepare, root } from '../prepare.mjs';

await prepare();
const { isRunning, readSettings } = await import('../development.mjs');
const { startTemporaryMachi } = await import('../temporary-machi.mjs');
const { Tour } = await import('./tour-steps.mjs');

const { url } = readSettings();
const temporary = (await isRunning(url)) ? undefined : await startTemporaryMachi(url);
const lines = [];
const print = (line) => {
  lines.push(line);
  console.log(line);
};
try {
  await new Tour(url, print).run();
} finally {
  await temporary?.stop();
}
if (process.argv.includes('--write')) {
  const readme = join(root, 'README.md');
  const section = `<!-- tour -->\n\n${lines.join('\n').trim()}\n\n<!-- end of the tour -->`;
  const text = readFileSync(readme, 'utf8');
  writeFileSync(
    readme,
    text.replace(/<!-- tour -->[^]*<!-- end of the tour -->/, () => section),
  );
}
process.exit(0);
