// Requests per second of `GET /api/users/me` in production mode, compared with servers in Node and Python that verify the same
// token and load the same row, one process each.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { execFileSync } from 'node:child_process';
import ts from 'typescript';
import { PROFILE_COLUMNS, PROFILE_GROUPS } from '../dist/src/users/profile.js';
import { interleave } from './support/harness.mjs';
import { toRows } from './support/results.mjs';
import { makeUsers, withWorld } from './support/world.mjs';

const CONNECTIONS = 32;
/** The columns that Machi reads, for one session. */
const QUERY = `select s.id as session_id, ${PROFILE_COLUMNS} from sessions s join users u on u.id = s.user_id ${PROFILE_GROUPS}
  where s.id = $1 and u.is_active`;

export const options = { seconds: 4, rounds: 7 };

export function run({ skip, ...times }) {
  return compareProfiles(times, async (world) => [world.machi, ...(await startPeers(world, skip))]);
}

/** Compares the servers that `start` returns; the baseline is the last one. */
export function compareProfiles({ seconds, rounds }, start) {
  const production = { NODE_ENV: 'production', RATE_LIMITS: 'on', MAX_REQUESTS_PER_MINUTE: '1000000' };
  return withWorld(production, async (world) => {
    const users = await makeUsers(world, CONNECTIONS, 'Administrators');
    const servers = await start(world);
    await assertSameProfile(servers, users[0]);
    await interleave(servers, {
      path: '/api/users/me',
      connections: CONNECTIONS,
      headersOf: (number) => ({ authorization: `Bearer ${users[number % CONNECTIONS].token}` }),
      seconds,
      rounds,
    });
    return toRows('GET /api/users/me', servers);
  });
}

/** The baseline is the last one. */
async function startPeers({ start, connection, publicKey }, skip) {
  const env = { PUBLIC_KEY: publicKey, CONNECTION: JSON.stringify(connection), QUERY, NODE_ENV: 'production' };
  const python = (name, modules, script) => {
    const interpreter = findPython(modules);
    if (!interpreter) return skip(`${name}: no Python with ${modules.join(', ')}`);
    return start(name, script, env, [interpreter]);
  };
  const peers = [
    await start('Nest, passport, TypeORM', compile('nest-me'), env),
    await start('Express + pg', 'bench/peers/express-me.mjs', env),
    await python('aiohttp + asyncpg', ['aiohttp', 'asyncpg', 'jwt', 'cryptography'], 'bench/peers/aiohttp_me.py'),
    await python(
      'FastAPI + SQLAlchemy',
      ['fastapi', 'uvicorn', 'sqlalchemy', 'asyncpg', 'jwt', 'cryptography'],
      'bench/peers/fastapi_me.py',
    ),
    await start('node:http + pg', 'bench/peers/node-me.mjs', env),
  ];
  return peers.filter(Boolean);
}

/** Debian's packages belong to its own Python, which need not be the first one. */
function findPython(modules) {
  return ['python3', '/usr/bin/python3'].find((command) => {
    try {
      execFileSync(command, ['-c', `import ${modules.join(', ')}`], { stdio: 'ignore' });
      return true;
    } catch {
      return false;
    }
  });
}

/** Compiles a peer in TypeScript, whose decorators Node cannot run. */
function compile(name) {
  const { outputText } = ts.transpileModule(readFileSync(`bench/peers/${name}.ts`, 'utf8'), {
    compilerOptions: {
      module: ts.ModuleKind.ESNext,
      target: ts.ScriptTarget.ES2023,
      experimentalDecorators: true,
      emitDecoratorMetadata: true,
      useDefineForClassFields: false,
    },
  });
  mkdirSync('dist/bench', { recursive: true });
  writeFileSync(`dist/bench/${name}.js`, outputText);
  return `dist/bench/${name}.js`;
}

/** Each server knows the user and their group, and refuses a damaged token. */
async function assertSameProfile(servers, { user_id, token }) {
  for (const { name, url } of servers) {
    const get = (bearer) => fetch(`${url}/api/users/me`, { headers: { authorization: `Bearer ${bearer}` } });
    const [answer, refusal] = [await get(token), await get(`${token.slice(0, -8)}AAAAAAAA`)];
    const text = await answer.text();
    await refusal.arrayBuffer();
    if (answer.status !== 200 || !text.includes(user_id) || !text.includes('Administrators'))
      throw new Error(`${name}: ${answer.status} ${text}`);
    if (refusal.status !== 401) throw new Error(`${name} answers a damaged token with ${refusal.status}`);
  }
}
