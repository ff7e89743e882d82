import type { Request } from 'express';
import { AsyncLocalStorage, AsyncResource } from 'node:async_hooks';
import pg from 'pg';
import { requestContext } from '../../../src/http/log/request-context.js';
import { type PlanNode, readPlan } from './query-plan.js';

/** A statement as Machi sent it, with the plans of what PostgreSQL executed for it. */
export interface RecordedStatement {
  text: string;
  /** Whether it is prepared by name: PostgreSQL may then plan it without its values. */
  isNamed: boolean;
  /** What sent it: a request, a chat event (`chat send_message`), or a worker (`worker`). */
  request: RecordedRequest | undefined;
  /** The file of ours that sent it. */
  source: string;
  plans: RecordedPlan[];
}

interface RecordedPlan {
  /** The statement, or one inside a function, a trigger or a foreign key. */
  query: string;
  root: PlanNode;
}

/** A request or a chat event and the statements that it sent, `begin` and `commit` included. */
export interface RecordedRequest {
  /** As `GET /api/users/:id`, or `chat send_message`. */
  readonly route: string;
  readonly status: number;
  readonly url: string;
  readonly statements: RecordedStatement[];
}

/** Sends the time limits when the pool opens a connection, for whichever request comes first. */
const CONNECTION_SETUP = 'src/database/connections/client-config.ts';
/** What the chat does whether or not a client has asked for something. */
const BACKGROUND = /\.worker\.ts$|chat-node\.service\.ts$|\/push\//;

type Query = (...args: unknown[]) => unknown;
type Queryable = Record<'query', Query>;
type Connectable = Record<'connect', (callback?: Query) => unknown>;

/**
 * Records every statement that goes through node-postgres in this process, from `start` to `stop`. The plans come from
 * auto_explain, which must send them as notices.
 */
export class StatementRecorder {
  readonly statements: RecordedStatement[] = [];
  readonly requests: RecordedRequest[] = [];
  private readonly byContext = new Map<object, RecordedRequest>();
  private readonly current = new WeakMap<pg.Client, RecordedStatement>();
  private readonly ignored = new WeakSet<pg.Client>();
  private readonly sources = new AsyncLocalStorage<string>();
  private readonly clientQuery = (pg.Client.prototype as unknown as Queryable).query;
  private readonly poolQuery = (pg.Pool.prototype as unknown as Queryable).query;
  private readonly poolConnect = (pg.Pool.prototype as unknown as Connectable).connect;
  private event: RecordedRequest | undefined;

  start(): void {
    const record = (client: pg.Client, query: unknown): void => this.record(client, query);
    const { clientQuery, poolQuery, poolConnect, sources } = this;
    pg.Client.prototype.query = function (this: pg.Client, ...args: unknown[]) {
      record(this, args[0]);
      return clientQuery.apply(this, args);
    } as typeof pg.Client.prototype.query;
    // The stack of a query of the pool ends where it waits for a connection.
    pg.Pool.prototype.query = function (this: pg.Pool, ...args: unknown[]) {
      return sources.run(sourceOfCall(), () => poolQuery.apply(this, args));
    } as typeof pg.Pool.prototype.query;
    // Otherwise a query that waited for a connection would count for the request that released it.
    pg.Pool.prototype.connect = function (this: pg.Pool, callback?: Query) {
      return poolConnect.call(this, callback && AsyncResource.bind(callback));
    } as typeof pg.Pool.prototype.connect;
  }

  stop(): void {
    pg.Client.prototype.query = this.clientQuery as typeof pg.Client.prototype.query;
    pg.Pool.prototype.query = this.poolQuery as typeof pg.Pool.prototype.query;
    pg.Pool.prototype.connect = this.poolConnect as typeof pg.Pool.prototype.connect;
  }

  /** Does not record what goes through this client, which is the test's own. */
  ignore(client: pg.Client): void {
    this.ignored.add(client);
  }

  /** Attributes the statements of the chat, from now on, to this event. */
  startEvent(type: string): void {
    this.event = { route: `chat ${type}`, status: 200, url: '', statements: [] };
    this.requests.push(this.event);
  }

  private record(client: pg.Client, query: unknown): void {
    const { text, name } = typeof query === 'string' ? { text: query, name: undefined } : (query as pg.QueryConfig);
    if (typeof text !== 'string' || this.ignored.has(client)) return; // no text: a cursor or a stream of COPY
    const source = this.sources.getStore() ?? sourceOfCall();
    const request = this.requestOf(source);
    const statement = { text, isNamed: name !== undefined, request, source, plans: [] };
    this.statements.push(statement);
    request?.statements.push(statement);
    if (!this.current.has(client)) client.on('notice', (notice) => this.addPlan(client, notice.message));
    this.current.set(client, statement);
  }

  private requestOf(source: string): RecordedRequest | undefined {
    if (source === CONNECTION_SETUP) return undefined;
    const context = requestContext();
    if (!context) return source.startsWith('src/chat/') && !BACKGROUND.test(source) ? this.event : undefined;
    const { response } = context;
    const known = this.byContext.get(context);
    if (known) return known;
    const request = response.req as Request;
    const added: RecordedRequest = {
      statements: [],
      url: request.originalUrl,
      get route() {
        return `${request.method} ${(request.route as { path?: string } | undefined)?.path ?? 'none'}`;
      },
      get status() {
        return response.statusCode;
      },
    };
    this.byContext.set(context, added);
    this.requests.push(added);
    return added;
  }

  private addPlan(client: pg.Client, message: string | undefined): void {
    const plan = readPlan(message);
    if (plan) this.current.get(client)!.plans.push(plan);
  }
}

/** The innermost source file of ours on the stack that is not of the database module. */
function sourceOfCall(): string {
  const { stackTraceLimit } = Error;
  Error.stackTraceLimit = 60;
  const { stack = '' } = new Error('a statement');
  Error.stackTraceLimit = stackTraceLimit;
  const [, name] = /\/(src\/(?!database\/)[\w/.-]+)\.[jt]s:\d+/.exec(stack) ?? []; // .js when it was built
  return name ? `${name}.ts` : 'unknown';
}
