import { STATUS_CODES } from 'node:http';
import { type ProblemCode, PROBLEMS } from '../problems/problem-catalogue.js';
import { membersOf } from './problem-schemas.js';

type Status = (typeof PROBLEMS)[ProblemCode][0];

/** What a client does about a code whose detail names no correction, by status. */
const ADVICE: Record<Status, string> = {
  400: 'Correct the request; the same request fails again.',
  401: 'Ask the user to sign in.',
  403: 'Do not repeat the request. Hide or disable what leads to it.',
  404: 'Tell the user, and reload the list that named it.',
  408: 'Send the request again.',
  409: 'Read the resource again and show its current state.',
  412: 'Read the resource again, and repeat the change on its current version.',
  413: 'Send less.',
  415: 'Send a type that the documentation of the route names.',
  416: 'Request the file without a range.',
  422: 'Show the sentence beside the input that it is about.',
  428: 'Read the resource, and repeat the change with its version.',
  429: 'Wait for the number of seconds in `Retry-After`, then repeat the request.',
  431: 'Send fewer or shorter headers and cookies.',
  500: 'Tell the user, with the request id.',
  503: 'Repeat the request after the number of seconds in `Retry-After`, or after a growing pause.',
};

const INTRODUCTION = `# Errors by code

For developers of clients: every \`code\` of a problem, what it means and what to do. The page is generated from the catalogue of the
server (\`src/http/problems/problem-catalogue.ts\`) by \`npm run openapi\`, and compared in CI. Do not edit it.

A refused request is answered with \`application/problem+json\` (RFC 9457): \`type\`, \`title\`, \`status\`, \`code\`, \`detail\` and
\`request_id\`. Compare \`code\`, which is stable; show \`detail\`, a sentence in English that may change. Handle a code that you do not
know by its status: the headings below tell what to do. Error frames of the chat carry the same codes for clients of \`machi.v2\`.
Quote \`request_id\` when you report a fault: it is in the log of the server.`;

/** docs/errors.md: all codes by status. */
export function createErrorsPage(): string {
  const codes = Object.keys(PROBLEMS) as ProblemCode[];
  const statuses = [...new Set(codes.map((code): Status => PROBLEMS[code][0]))].toSorted((a, b) => a - b);
  const sections = statuses.map((status) => {
    const entries = codes.filter((code) => PROBLEMS[code][0] === status).map(entryOf);
    return `## ${status} ${STATUS_CODES[status]}\n\n${ADVICE[status]}\n\n${entries.join('\n')}`;
  });
  return `${INTRODUCTION}\n\n${sections.join('\n\n')}\n`;
}

/** A detail is one or two clauses: what it means; what to do. Without the second, the advice of the status holds. */
function entryOf(code: ProblemCode): string {
  const [meaning = '', ...actions] = PROBLEMS[code][1].split(/; (?!see )/);
  const action = actions.length === 0 ? '' : ` **Do:** ${capitalise(actions.join('; '))}`;
  const members = Object.entries(membersOf(code)).map(([name, text]) => ` \`${name}\`${text && `: ${text}`}`);
  const more = members.length === 0 ? '' : ` **Members:**${members.join(';')}`;
  return `- **\`${code}\`**: ${meaning.replace(/\.?$/, '.')}${action}${more}`;
}

const capitalise = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);
