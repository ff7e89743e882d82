// Generated from openapi.json by scripts/api-types.mjs, which `npm test` and `npm run typecheck` run.
import type { components, paths } from './openapi-types.js';

/** The fields of any problem: those of RFC 9457 and our own members. */
type Problem = Partial<Intersection<WithoutCode<components['schemas']['Problem']>>> & { code?: string };

type WithoutCode<Kind> = Kind extends unknown ? Omit<Kind, 'code'> : never;

type Intersection<Union> = (Union extends unknown ? (member: Union) => void : never) extends (all: infer All) => void
  ? All
  : never;

/**
 * The JSON that openapi.json documents for a method and a path, with the fields of a problem, because a test reads the
 * status and the body of the same response. Paths that are not in openapi.json, and paths that are built at run time,
 * have a loose type.
 */
export type BodyOf<Method extends string, Path extends string> = [Operation<Method, Path>] extends [never]
  ? LooseBody
  : WithProblem<WithRefreshToken<Success<Operation<Method, Path>>>>;

// oxlint-disable-next-line typescript/no-explicit-any -- for bodies that openapi.json does not describe
export type LooseBody = Record<string, any>;

/** Without `"refresh": "cookie"` in the request, a session has its refresh token in the body. */
type WithRefreshToken<Body> = Body extends { identity_token: string; refresh_token?: string }
  ? Body & { refresh_token: string }
  : Body;

type WithProblem<Body> = [Body] extends [never] ? LooseBody : Body & Omit<Problem, keyof Body>;

/** Bodies of the answers 200 to 203. */
type Success<Of> = Of extends { responses: infer Responses }
  ? { [Status in keyof Responses & (200 | 201 | 202 | 203)]: JsonOf<Responses[Status]> }[keyof Responses &
      (200 | 201 | 202 | 203)]
  : never;

type JsonOf<Response> = Response extends { content: { 'application/json': infer Body } } ? Body : never;

type Operation<Method extends string, Path extends string> =
  Template<Path> extends keyof Templates
    ? Lowercase<Method> extends keyof Templates[Template<Path>]
      ? Templates[Template<Path>][Lowercase<Method>]
      : never
    : never;

/** The paths of openapi.json, each parameter without its name: `/api/users/{}/sessions`. */
type Templates = { [Path in keyof paths as Unnamed<Path>]: paths[Path] };

type Unnamed<Path extends string> = Path extends `${infer Before}{${string}}${infer After}`
  ? `${Before}{}${Unnamed<After>}`
  : Path;

/** The template of a request path: the path itself, or the path with one or more segments as parameters. */
type Template<Path extends string> =
  WithoutQuery<Path> extends infer Bare extends string
    ? Bare extends keyof Templates
      ? Bare
      : Extract<Candidates<Bare>, keyof Templates>
    : never;

type WithoutQuery<Path extends string> = Path extends `${infer Bare}?${string}` ? Bare : Path;

/** A literal segment may be a fixed part of the path or the value of a parameter; any other segment is a parameter. */
type Candidates<Path extends string> = Path extends `${infer Segment}/${infer Rest}`
  ? `${Candidate<Segment>}/${Candidates<Rest>}`
  : Candidate<Path>;

type Candidate<Segment extends string> = string extends Segment ? '{}' : Segment extends '' ? '' : Segment | '{}';
