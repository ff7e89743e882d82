// `npm start`: prepares the checkout and runs Machi.
import { runBuilt } from './run-built.mjs';

await runBuilt('main.js');
