import fc from 'fast-check';
import { ACCESS_TABLE } from '../support/api/access-table.js';
import { isAllowed, type Operation, OPERATIONS, type Role } from './api-document.js';
import { findUndocumented } from './documented.js';
import { casesOf, type HttpCase } from './http-cases.js';
import { type HttpAnswer, type HttpRequest, sendRequest } from './http-client.js';
import type { Report } from './report.js';
import { toRequest } from './to-request.js';
import { ROLES, type World } from './world.js';

const CONCURRENT = 8;
const MAX_FAULTS = 100;
/** The number of cases of the chat starts here, so that a number names one case. */
export const FIRST_CHAT_CASE = 10_000_000;

interface Setup {
  url: string;
  world: World;
  report: Report;
  seed: number;
  /** A valid image file. */
  image: Buffer;
  /** Called after every batch of requests. */
  afterBatch: () => Promise<void>;
}

interface Pair {
  operation: Operation;
  role: Role;
}

const PAIRS: Pair[] = OPERATIONS.flatMap((operation) => ROLES.map((role) => ({ operation, role })));

/** The pairs that differ in what they may do: a permission matters on the routes that require it. */
const DISTINCT_PAIRS = PAIRS.filter(
  ({ operation, role }) => ['anonymous', 'user', 'admin'].includes(role) || ACCESS_TABLE[operation.name] === role,
);
const ROUNDS_PER_FULL_ROUND = 8;

/** Sends generated requests as every role to every operation and records what must not happen. */
export class HttpFuzzer {
  private readonly arbitraries = new Map(OPERATIONS.map((operation) => [operation.name, casesOf(operation)]));

  constructor(private readonly setup: Setup) {}

  /** Runs until the deadline, and at least one case of each operation and role. */
  async run(deadline: number): Promise<void> {
    const { report, afterBatch } = this.setup;
    for (let number = 0; number < PAIRS.length || Date.now() < deadline; number += CONCURRENT) {
      await Promise.all(Array.from({ length: CONCURRENT }, (_, i) => this.runCase(number + i)));
      await afterBatch();
      if (report.faults.length >= MAX_FAULTS) return;
    }
  }

  async runCase(number: number): Promise<void> {
    const { url, world, report, seed, image } = this.setup;
    const { operation, role } = this.pairOf(number);
    const [spec] = fc.sample(this.arbitraries.get(operation.name)!, { seed: seed + number, numRuns: 1 });
    const request = toRequest(operation, role, spec!, world, image);
    const fail = (text: string): void =>
      report.fail({ name: operation.name, role, number, text: `${text}\n${describe(request)}` });
    try {
      const answer = await sendRequest(url, request);
      report.count(operation.name, role, answer === 'closed' ? 'closed' : String(answer.status));
      if (answer === 'closed') return;
      const fault = this.findFault(operation, role, spec!, answer);
      if (fault && !(await this.isOfDeletedCaller(role, answer)))
        fail(`${fault}\n${answer.status} ${answer.body.toString('utf8').slice(0, 300)}`);
      await this.learn(operation, role, spec!, answer);
    } catch (error) {
      report.count(operation.name, role, 'failed');
      fail((error as Error).message);
    }
  }

  /** The first round visits all pairs; of the later ones, most visit those that differ. Each has an order of its own. */
  private pairOf(number: number): Pair {
    const cycle = PAIRS.length + (ROUNDS_PER_FULL_ROUND - 1) * DISTINCT_PAIRS.length;
    const place = number % cycle;
    const isFullRound = place < PAIRS.length;
    const pairs = isFullRound ? PAIRS : DISTINCT_PAIRS;
    const index = isFullRound ? place : place - PAIRS.length;
    const round = Math.floor(number / cycle) * ROUNDS_PER_FULL_ROUND + Math.floor(index / pairs.length);
    return pairs[shuffled(index % pairs.length, pairs.length, this.setup.seed + round)]!;
  }

  private findFault(operation: Operation, role: Role, spec: HttpCase, answer: HttpAnswer): string | undefined {
    const { status, body } = answer;
    if (status >= 500 && status !== 503) return `the server answers ${status}`;
    const mayRead = isAllowed(operation, role);
    const hasForeignToken = spec.authorization !== 'own' && spec.authorization !== null;
    if (mayRead === false && status < 400 && !hasForeignToken) return `the role must not succeed, but gets ${status}`;
    const isPrivate = this.setup.world.privateValues.find((value) => body.includes(value));
    if (isPrivate && role !== 'admin') return `the response contains ${isPrivate} of another user`;
    return findUndocumented(operation, answer, {
      hasUrlText: spec.query.length > 0 || Object.keys(spec.parameters).length > 0,
      isConditional: operation.method === 'GET' && spec.headers.some(([name]) => name === 'if-none-match'),
      hasBody: spec.body !== undefined && !('application/json' in operation.bodies),
    });
  }

  /** The introduction of openapi.json documents this 404 for all routes: another case has deleted the account meanwhile. */
  private async isOfDeletedCaller(role: Role, { status, body }: HttpAnswer): Promise<boolean> {
    if (status !== 404 || role === 'anonymous' || !/"code":"(user_)?not_found"/.test(body.toString())) return false;
    return this.setup.world.renewIfLost(role);
  }

  private async learn(operation: Operation, role: Role, spec: HttpCase, answer: HttpAnswer): Promise<void> {
    const { world } = this.setup;
    if (!answer.headers['content-type']?.includes('json')) return;
    const body = JSON.parse(answer.body.toString()) as Record<string, unknown>;
    world.harvest(operation.name, role, body);
    const isLost = answer.status === 401 && role !== 'anonymous' && spec.authorization === 'own';
    if (isLost && body['code'] !== 'invalid_credentials') await world.renewIfLost(role);
  }
}

const greatestDivisor = (a: number, b: number): number => (b === 0 ? a : greatestDivisor(b, a % b));

/** A permutation of the indexes below `length`: a step without a common divisor visits each of them once. */
function shuffled(index: number, length: number, seed: number): number {
  let step = 300 + (seed % 400);
  while (greatestDivisor(step, length) !== 1) step++;
  return (index * step + seed) % length;
}

function describe({ method, path, headers, body }: HttpRequest): string {
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${String(value).slice(0, 200)}`);
  return [`${method} ${path.slice(0, 300)}`, ...lines, '', body?.toString('utf8').slice(0, 500) ?? ''].join('\n  ');
}
