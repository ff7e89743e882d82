// `npm test`: prepares the checkout and runs Vitest with the given arguments.
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { generateApiTypes } from './api-types.mjs';
import { prepare, root } from './prepare.mjs';

await prepare();
await generateApiTypes();
const vitest = join(root, 'node_modules/vitest/vitest.mjs');
const env = { ...process.env, TEST_BUILT_MODULES: '1' };
const child = spawn(process.execPath, [vitest, 'run', ...process.argv.slice(2)], { cwd: root, env, stdio: 'inherit' });
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => child.kill(signal));
child.on('exit', (code) => process.exit(code ?? 1));
