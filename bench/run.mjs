// `npm run bench` runs all benches in about twelve minutes, prints one table and writes bench/results.json and bench/results.svg.
// `npm run bench -- me lists` runs some of them for longer. Options: --seconds,
// --rounds (of each comparison), --quick, --rates (of the bench town), --sizes (of growth). --document writes the table into
// docs/performance.md and some of its figures into README.md.
import { readFileSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { parseArgs } from 'node:util';
import prettier from 'prettier';
import { toChart } from './support/chart.mjs';
import { toMarkdown, toSummary, toTable } from './support/results.mjs';

/** The benches in their order, with about how long each takes when all are run, in seconds. */
const BENCHES = {
  start: 30,
  me: 55,
  lists: 50,
  chat: 160,
  'chat-sends': 30,
  'chat-idle': 30,
  cluster: 75,
  booking: 65,
  'booking-requests': 45,
  'sign-in': 40,
  avatars: 35,
  library: 35,
  'library-import': 60,
  town: 55,
};
/** Benches that run only when they are named. */
const SEPARATE = { 'chat-costs': 60, metrics: 150, growth: 900, memory: 3660 };
/** What each bench runs with when all are run; a single one has its own, longer options. */
const QUICK = { seconds: 2, rounds: 3, isQuick: true };
const DOCUMENT = 'docs/performance.md';
const README = 'README.md';
const TABLE = /(<!-- bench: results -->\n)[\s\S]*?(\n<!-- bench: end -->)/;
/** What README.md quotes, by scenario; see toSummary. */
const SUMMARY = {
  'GET /api/users/me': `\`GET /api/users/me\`: {Express + pg} × the requests of bare Express 5 and \`pg\`, {node:http + pg} × those of \`node:http\`,
    {Nest, passport, TypeORM} × those of Nest as its documentation shows it, {aiohttp + asyncpg} × aiohttp, {FastAPI + SQLAlchemy} × FastAPI.`,
  'Chat, 25 × 20 users, a message each in flight': `Chat, 25 conversations of 20 members: {bare ws} × the deliveries of a bare \`ws\` server that stores nothing.`,
  'Chat, 1 × 200 users, a message each in flight': `Chat, one conversation of 200 members: {bare ws} ×.`,
  'Chat, 1 process and Redis, 24 × 20 users, CPU': `Chat with Redis, deliveries per second of CPU: {Socket.IO} × Socket.IO with its Redis adapter and the same \`INSERT\`s.`,
  'Bookings, one session': `Bookings of one session: {bare pg, 8 connections} × a loop of prepared \`INSERT … SELECT\`s.`,
  'Bookings over HTTP, 100 clients': `The same over HTTP: {node:http + pg, one INSERT} × a server with \`node:http\` and one \`INSERT … SELECT\` per booking.`,
  'Sign-ins, cost 12, 50 clients': `Sign-ins: {bare bcrypt, one at a time} × bcrypt alone, both beside 200 reads per second.`,
  'List of 50 users': `A list of 50 users, which all clients ask for: {query and stringify} × the requests of a server that only runs the
  query and \`JSON.stringify\`.`,
  'List of 50 users, other pages': `A list of 50 users, another page for each client: {query and stringify} ×.`,
  'Avatar uploads, 3 megapixels, 4 at once': `Avatar uploads: {sharp alone, effort 2 as Machi} × those of sharp alone, which stores nothing.`,
};

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    seconds: { type: 'string' },
    rounds: { type: 'string' },
    rates: { type: 'string' },
    sizes: { type: 'string' },
    quick: { type: 'boolean' },
    document: { type: 'boolean' },
  },
});
if (values.document) await writeDocument();
else await runBenches(positionals.length > 0 ? positionals : Object.keys(BENCHES));

async function runBenches(names) {
  const known = { ...BENCHES, ...SEPARATE };
  const unknown = names.filter((name) => !(name in known));
  if (unknown.length > 0) throw new Error(`no bench ${unknown.join(', ')}; there are ${Object.keys(known).join(', ')}`);
  const isAll = positionals.length === 0;
  const started = Date.now();
  const rows = [];
  const skipped = [];
  const failed = [];
  for (const [i, name] of names.entries()) {
    const remaining = () => names.slice(i).reduce((sum, other) => sum + known[other], 0);
    const stop = isAll || values.quick ? showProgress(name, i, names.length, remaining()) : () => undefined;
    try {
      const { run, options } = await import(`./${name}.mjs`);
      rows.push(...(await run({ ...optionsFor(options, isAll), skip: (what) => void skipped.push(what) })));
    } catch (error) {
      failed.push(`${name}: ${error.stack}`);
      process.exitCode = 1;
    } finally {
      stop();
    }
  }
  const machine = `Node ${process.versions.node}, ${cpus().length} × ${cpus()[0].model}`;
  console.log(`\n${machine}, ${((Date.now() - started) / 60_000).toFixed(1)} minutes\n\n${toTable(rows)}`);
  for (const what of skipped) console.log(`skipped: ${what}`);
  for (const what of failed) console.error(`failed: ${what}`);
  if (!isAll) return;
  const results = { date: new Date().toISOString(), machine, skipped, rows };
  writeFileSync('bench/results.json', await format(JSON.stringify(results), 'json'));
  writeFileSync('bench/results.svg', toChart(results));
}

function optionsFor(own, isAll) {
  const { seconds, rounds, ...rest } = isAll || values.quick ? QUICK : own;
  const given = ['rates', 'sizes'].filter((name) => values[name] !== undefined);
  const others = Object.fromEntries(given.map((name) => [name, JSON.parse(values[name])]));
  return { ...rest, ...others, seconds: Number(values.seconds ?? seconds), rounds: Number(values.rounds ?? rounds) };
}

/** Prints which bench runs and about how long all take; on a terminal, updates that every second. */
function showProgress(name, index, count, seconds) {
  const start = Date.now();
  const line = () => {
    const left = Math.max(0, seconds - (Date.now() - start) / 1000);
    return `[${index + 1}/${count}] ${name}, about ${Math.floor(left / 60)} min ${Math.round(left % 60)} s left`;
  };
  if (!process.stderr.isTTY) {
    console.error(line());
    return () => undefined;
  }
  const timer = setInterval(() => process.stderr.write(`\r\x1b[K${line()}`), 1000);
  return () => {
    clearInterval(timer);
    process.stderr.write('\r\x1b[K');
  };
}

/** Writes the table of bench/results.json into the document. */
async function writeDocument() {
  const { date, machine, rows } = JSON.parse(readFileSync('bench/results.json', 'utf8'));
  const text = `\n${machine}, ${date.slice(0, 10)}\n\n${toMarkdown(rows)}\n`;
  const document = readFileSync(DOCUMENT, 'utf8');
  writeFileSync(DOCUMENT, await format(document.replace(TABLE, `$1${text}$2`), 'markdown'));
  const summary = `\n${machine}, ${date.slice(0, 10)}:\n\n${toSummary(rows, SUMMARY).join('\n')}\n`;
  writeFileSync(README, await format(readFileSync(README, 'utf8').replace(TABLE, `$1${summary}$2`), 'markdown'));
}

async function format(text, parser) {
  return prettier.format(text, { ...(await prettier.resolveConfig(DOCUMENT)), parser });
}
