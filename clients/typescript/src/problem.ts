import type { components } from './generated/api.js';

/** A problem document (RFC 9457). */
export type Problem = components['schemas']['Problem'];
/** Every code that the server sends. */
export type ProblemCode = Problem['code'];
/** The problem documents with one of these codes, with the members that they have. */
export type ProblemOf<Code extends ProblemCode> = Problem extends infer Each
  ? Each extends { code: infer Known }
    ? [Code & Known] extends [never]
      ? never
      : Each & { code: Code & Known }
    : never
  : never;

/** A refusal of the server. Compare `code`; `message` says in English what went wrong and what to do next. */
export class MachiProblem extends Error {
  override readonly name = 'MachiProblem';

  constructor(
    readonly problem: Problem,
    /** Seconds after which the call may be repeated, if the server says so. */
    readonly retryAfter?: number,
  ) {
    super(problem.detail);
  }

  get code(): ProblemCode {
    return this.problem.code;
  }

  /** The HTTP status. */
  get status(): number {
    return this.problem.status;
  }

  /** The operator finds the request in the log by it. */
  get requestId(): string {
    return this.problem.request_id;
  }

  /** Whether the problem has one of these codes; then `problem` has their members. */
  is<Code extends ProblemCode>(...codes: Code[]): this is MachiProblem & { readonly problem: ProblemOf<Code> } {
    return (codes as ProblemCode[]).includes(this.code);
  }
}

/** An answer that is no answer of Machi, such as the error page of a proxy or the sign-in page of a network. */
export class UnexpectedResponse extends Error {
  override readonly name = 'UnexpectedResponse';

  constructor(
    readonly status: number,
    readonly text: string,
  ) {
    super(`The server answered ${status} with what is no answer of Machi.`);
  }
}

/** Makes the error of a response that is not a success. */
export async function errorOf(response: Response): Promise<MachiProblem | UnexpectedResponse> {
  const text = await response.text();
  const problem = response.headers.get('content-type')?.startsWith('application/problem+json')
    ? parse(text)
    : undefined;
  if (!problem) return new UnexpectedResponse(response.status, text);
  const seconds = Number(response.headers.get('retry-after') ?? NaN);
  return new MachiProblem(problem, Number.isFinite(seconds) ? seconds : undefined);
}

function parse(text: string): Problem | undefined {
  try {
    return JSON.parse(text) as Problem;
  } catch {
    return undefined;
  }
}
