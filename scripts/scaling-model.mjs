// The model of docs/scaling.md: what 10³ to 10⁷ connections cost, and how clients come back when a node is lost. Prints what the
// document quotes. Put your own numbers into ASSUMED, and those of your machine into MEASURED.
import { readFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';

/** CPU seconds of one core, and bytes, as `npm run bench chat-costs chat-idle chat` measures them: docs/scaling.md names the run. */
const MEASURED = {
  connectionBytes: 6_850, // an idle connection
  connectCpu: 1321e-6, // Machi, to open a connection
  connectPostgresCpu: 421e-6,
  refreshCpu: 4113e-6, // Machi, a refresh of tokens
  refreshPostgresCpu: 1653e-6,
  messageCpu: 871e-6, // Machi, a message that is alone in its batch
  messagePostgresCpu: 503e-6,
  deliveryCpu: 4e-6, // Machi, to one connection
  remoteCpu: 15.5e-6, // a process that gets a message of another one without a member here, under load
  publishCpu: 14.8e-6, // Redis, a message under load
  toProcessCpu: 0.678e-6, // Redis, for each process that gets it; of an earlier run, the last one could not tell it from zero
};

/** A busy hour. */
const ASSUMED = {
  messagesPerHour: 12, // of a connected user
  receivers: 10, // connected members of the conversation of a message
  conversations: 20, // of a user
  connectionMinutes: 60,
  frameBytes: 450, // on the bus
  kernelBytes: 4_096, // socket, file and epoll entry of an idle connection
  conversationBytes: 100, // of a connected user, where BUS is not memory
  processBytes: 220e6, // without connections
  comparisonCpu: 2e-6, // PostgreSQL, a conversation that the sweep compares
  pingCpu: 15e-6,
};

/** Of the code, by default. */
const PROTOCOL = {
  heartbeatsPerSecond: 1, // src/bus/bus.service.ts
  sweepSeconds: 30, // src/chat/delivery/gap-repair.service.ts
  sweepPerSecond: 1_000, // participants, at most
  pingSeconds: 25, // src/chat/connections/connection.ts
  tokenMinutes: 15, // IDENTITY_TOKEN_TTL
  poolSize: 20, // DB_POOL_SIZE
  ownConnections: 4, // of each process, besides the pool
};

/** What one engine of the usual size can do. A model stays at or below it. */
const LIMITS = {
  'CPU of a process': 0.6, // of a core: above it, latencies grow
  'memory of a process': 2e9,
  'CPU of Redis': 0.7, // it has one thread for commands
  'network of Redis': 1.25e9, // bytes/s, 10 Gbit/s
  'CPU of PostgreSQL': 16, // cores of a primary
  'connections to PostgreSQL': 500,
};

const SCALES = [1e3, 1e4, 1e5, 1e6, 1e7].map((connections) => [connections, Math.max(1, connections / 1e5)]);

/** What each resource has to do. `nodes` are processes. */
export function demandOf(connections, nodes) {
  const messages = (connections * ASSUMED.messagesPerHour) / 3600;
  const connects = connections / (ASSUMED.connectionMinutes * 60);
  const refreshes = connections / (PROTOCOL.tokenMinutes * 60);
  const isShared = nodes > 1;
  const compared = isShared
    ? Math.min(connections / PROTOCOL.sweepSeconds, nodes * PROTOCOL.sweepPerSecond) * ASSUMED.conversations
    : 0;
  const frames = isShared ? messages + nodes * PROTOCOL.heartbeatsPerSecond : 0;
  const own =
    messages * (MEASURED.messageCpu + ASSUMED.receivers * MEASURED.deliveryCpu) +
    connects * MEASURED.connectCpu +
    refreshes * MEASURED.refreshCpu +
    (connections / PROTOCOL.pingSeconds) * ASSUMED.pingCpu;
  const bytes =
    MEASURED.connectionBytes + ASSUMED.kernelBytes + (isShared ? ASSUMED.conversations * ASSUMED.conversationBytes : 0);
  return {
    messages,
    connects,
    refreshes,
    compared,
    frames,
    useful: 1 - (1 - 1 / nodes) ** ASSUMED.receivers, // share of the nodes that have a receiver
    'CPU of a process': own / nodes + frames * MEASURED.remoteCpu,
    'memory of a process': ASSUMED.processBytes + (connections / nodes) * bytes,
    'CPU of Redis': frames * (MEASURED.publishCpu + nodes * MEASURED.toProcessCpu),
    'network of Redis': frames * nodes * ASSUMED.frameBytes,
    'CPU of PostgreSQL':
      messages * MEASURED.messagePostgresCpu +
      connects * MEASURED.connectPostgresCpu +
      refreshes * MEASURED.refreshPostgresCpu +
      compared * ASSUMED.comparisonCpu,
    'connections to PostgreSQL': nodes * (PROTOCOL.poolSize + PROTOCOL.ownConnections),
  };
}

/** The resource that is used most in relation to its limit, and how much. */
export function bottleneckOf(demand) {
  const used = Object.entries(LIMITS).map(([name, limit]) => [name, demand[name] / limit]);
  return used.toSorted(([, a], [, b]) => b - a)[0];
}

/**
 * Clients of a lost node, or of a node that restarts, connect again as `x-close-codes` tells them; the other nodes admit as many as
 * their CPU share allows, in steps of 100 ms. Returns the seconds until half, 99 % and all are back.
 */
export function simulateReturn(clients, nodes, { min, max }, random) {
  const step = 0.1;
  const perStep = ((nodes - 1) * LIMITS['CPU of a process'] * step) / MEASURED.connectCpu;
  const arrivals = [];
  for (let i = 0; i < clients; i++) {
    const at = Math.floor((min + random() * (max - min)) / step);
    arrivals[at] = (arrivals[at] ?? 0) + 1;
  }
  const back = {};
  let [waiting, admitted] = [0, 0];
  for (let i = 0; admitted < clients - 1e-6; i++) {
    waiting += arrivals[i] ?? 0;
    const now = Math.min(waiting, perStep);
    waiting -= now;
    admitted += now;
    for (const share of [0.5, 0.99, 1]) if (admitted >= clients * share - 1e-6) back[share] ??= (i + 1) * step;
  }
  const rate = Math.min(perStep, Math.max(...Object.values(arrivals))) / step;
  return { half: back[0.5], most: back[0.99], all: back[1], rate, postgres: rate * MEASURED.connectPostgresCpu };
}

/** The generator mulberry32: the same seed gives the same numbers. */
function randomOf(seed) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

const number = (value) =>
  value >= 100 ? Math.round(value).toLocaleString('en') : String(Number(value.toPrecision(2)));

function table(head, rows) {
  const all = [head, ...rows.map((row) => row.map(String))];
  const widths = head.map((_, i) => Math.max(...all.map((row) => row[i].length)));
  const line = (row) => row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]) : cell.padStart(widths[i]))).join('  ');
  return all.map((row) => `    ${line(row)}`.trimEnd()).join('\n');
}

function scaleTable() {
  const demands = SCALES.map(([connections, nodes]) => demandOf(connections, nodes));
  const row = (name, read) => [name, ...demands.map((demand, i) => read(demand, SCALES[i][1]))];
  return table(
    ['connections', ...SCALES.map(([connections]) => number(connections))],
    [
      row('processes', (_, nodes) => number(nodes)),
      row('messages/s', ({ messages }) => number(messages)),
      row('deliveries/s', ({ messages }) => number(messages * ASSUMED.receivers)),
      row('new connections/s', ({ connects }) => number(connects)),
      row('refreshes of tokens/s', ({ refreshes }) => number(refreshes)),
      row('a process: GB of memory', (demand) => number(demand['memory of a process'] / 1e9)),
      row('a process: cores', (demand) => number(demand['CPU of a process'])),
      row('a process: frames received/s', ({ frames }) => number(frames)),
      row('  of them for a member here', ({ frames, useful }) => (frames > 0 ? `${number(useful * 100)} %` : '–')),
      row('Redis: cores', (demand) => number(demand['CPU of Redis'])),
      row('Redis: MB/s sent', (demand) => number(demand['network of Redis'] / 1e6)),
      row('PostgreSQL: cores', (demand) => number(demand['CPU of PostgreSQL'])),
      row('  memberships compared/s', ({ compared }) => number(compared)),
      row('PostgreSQL: connections', (demand) => number(demand['connections to PostgreSQL'])),
      row('first limit', (demand) =>
        bottleneckOf(demand)[0]
          .replace(/^(CPU|memory|network) of (a )?/, '')
          .replace('connections to ', ''),
      ),
      row('  of this resource', (demand) => bottleneckOf(demand)[0].split(' ')[0]),
      row('  used', (demand) => `${number(bottleneckOf(demand)[1] * 100)} %`),
    ],
  );
}

function returnTable() {
  const document = JSON.parse(readFileSync(new URL('../asyncapi.json', import.meta.url), 'utf8'));
  const pauseOf = (code) => document['x-close-codes'].find((each) => each.code === code).pause_seconds;
  const random = randomOf(1);
  const cases = [
    ['1 of 3 is killed', 1e5, 3, 1006],
    ['1 of 10 is killed', 1e5, 10, 1006],
    ['1 of 100 is killed', 1e5, 100, 1006],
    ['1 of 100 restarts', 1e5, 100, 1012],
  ];
  return table(
    ['100,000 clients connect again', 'half', '99 %', 'all', 'most/s', 'PostgreSQL: cores'],
    cases.map(([name, clients, nodes, code]) => {
      const { half, most, all, rate, postgres } = simulateReturn(clients, nodes, pauseOf(code), random);
      return [name, ...[half, most, all].map((seconds) => `${number(seconds)} s`), number(rate), number(postgres)];
    }),
  );
}

function constantTable() {
  const named = (constants) =>
    Object.entries(constants).map(([name, value]) => [
      name,
      name.endsWith('Cpu') ? `${number(value * 1e6)} µs` : number(value),
    ]);
  return table(['constant', 'value'], [...named(MEASURED), ...named(ASSUMED), ...named(PROTOCOL)]);
}

/** What docs/scaling.md quotes, by the name of its place. */
export const quotes = () => ({ constants: constantTable(), scales: scaleTable(), returns: returnTable() });

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) console.log(Object.values(quotes()).join('\n\n'));
