import { OPERATIONS, type operations } from './generated/api.js';
import { UnexpectedResponse } from './problem.js';

/** The name of a call, such as `signIn`. */
export type OperationId = keyof typeof OPERATIONS;

export interface Progress {
  /** Bytes sent. */
  loaded: number;
  /** Bytes of the whole body. */
  total: number;
}

/** What every call takes. */
export interface CallOptions {
  /** Cancels the call. */
  signal?: AbortSignal;
  /** Reports how much of the body has been sent. */
  onProgress?: (progress: Progress) => void;
}

type Nothing = object;
/** An argument that is left out, optional or required, as the document says. */
type Argument<Name extends string, Value> = [Value] extends [undefined]
  ? Nothing
  : undefined extends Value
    ? { [K in Name]?: Exclude<Value, undefined> }
    : Nothing extends Value
      ? { [K in Name]?: Value }
      : { [K in Name]: Value };

type ParametersOf<Operation> = Operation extends { parameters: infer Parameters } ? Parameters : never;
type Parameter<Id extends OperationId, Kind extends string> =
  ParametersOf<operations[Id]> extends { [K in Kind]?: infer Value } ? Value : undefined;
type ContentOf<Body> = Body extends { content: infer Content } ? Content[keyof Content] : never;
type BodyOf<Id extends OperationId> = operations[Id] extends { requestBody: infer Required }
  ? ContentOf<Required>
  : operations[Id] extends { requestBody?: infer Optional }
    ? ContentOf<NonNullable<Optional>> | undefined
    : undefined;

/** The arguments of a call. */
export type Arguments<Id extends OperationId> = Argument<'path', Parameter<Id, 'path'>> &
  Argument<'query', Parameter<Id, 'query'>> &
  Argument<'headers', Parameter<Id, 'header'>> &
  Argument<'body', BodyOf<Id>> &
  CallOptions;

type Decoded<Content> = {
  [Type in keyof Content]: Type extends `${string}json`
    ? Content[Type]
    : Type extends `text/${string}` | `${string}+xml`
      ? string
      : Blob;
}[keyof Content];
type ResultOf<Response> = Response extends { content: infer Content } ? Decoded<Content> : undefined;

/** What a call resolves with: parsed JSON, text, a Blob, or nothing. */
export type Result<Id extends OperationId> = operations[Id] extends { responses: infer Responses }
  ? ResultOf<Responses[keyof Responses]>
  : never;

/** A call. Rejects with a `MachiProblem` if the server refuses it. */
export type Call<Id extends OperationId> =
  Nothing extends Arguments<Id>
    ? (args?: Arguments<Id>) => Promise<Result<Id>>
    : (args: Arguments<Id>) => Promise<Result<Id>>;

/** All calls by name. */
export type Api = { readonly [Id in keyof typeof OPERATIONS]: Call<Id> };

/** The arguments of any call, for the code that all calls share. */
export interface AnyArguments extends CallOptions {
  path?: Record<string, unknown>;
  query?: Record<string, unknown>;
  headers?: Record<string, string | undefined>;
  body?: unknown;
}

/** A request before its token is known. */
export interface PlainRequest extends CallOptions {
  method: string;
  /** Path and query. */
  target: string;
  headers: Record<string, string>;
  body?: BodyInit;
}

/** Makes the request of a call. */
export function newRequest(id: OperationId, args: AnyArguments): PlainRequest {
  const [method, template, encoding] = OPERATIONS[id] as readonly [string, string, string?];
  const path = template.replace(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(String(args.path?.[name])));
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries(args.headers ?? {})) {
    if (value !== undefined) headers[name.toLowerCase()] = value;
  }
  const request: PlainRequest = { method, target: path + queryOf(args.query), headers };
  if (args.signal) request.signal = args.signal;
  if (args.onProgress) request.onProgress = args.onProgress;
  if (encoding === undefined || args.body === undefined) return request;
  if (encoding === 'form') return { ...request, body: formOf(args.body as Record<string, unknown>) };
  const isJson = encoding === 'json';
  headers['content-type'] ??= isJson ? 'application/json' : encoding;
  return { ...request, body: isJson ? JSON.stringify(args.body) : (args.body as Blob | string) };
}

/** Lists are sent as values separated by commas. */
function queryOf(query: Record<string, unknown> = {}): string {
  const entries = Object.entries(query).filter(([, value]) => value !== undefined && value !== null);
  const text = new URLSearchParams(entries.map(([name, value]) => [name, String(value)])).toString();
  return text === '' ? '' : `?${text}`;
}

/** Each file of a list is a part of its own. */
function formOf(fields: Record<string, unknown>): FormData {
  const form = new FormData();
  for (const [name, value] of Object.entries(fields)) {
    const files = (Array.isArray(value) ? value : [value]).filter((file) => file instanceof Blob);
    if (files.length > 0) for (const file of files) form.append(name, file);
    else if (value !== undefined && value !== null)
      form.set(name, typeof value === 'string' ? value : JSON.stringify(value));
  }
  return form;
}

/** Reads the answer of a call. Rejects with `UnexpectedResponse` if something in between has answered: no call answers a page. */
export async function readResult(response: Response): Promise<unknown> {
  const type = (response.headers.get('content-type') ?? '').split(';', 1)[0]!.trim();
  if (response.status === 204 || type === '') return undefined;
  if (type.endsWith('json')) return readJson(response);
  if (type === 'text/html') throw new UnexpectedResponse(response.status, await response.text());
  return type.startsWith('text/') || type.endsWith('+xml') ? response.text() : response.blob();
}

async function readJson(response: Response): Promise<unknown> {
  const text = await response.text();
  try {
    return JSON.parse(text);
  } catch {
    throw new UnexpectedResponse(response.status, text);
  }
}
