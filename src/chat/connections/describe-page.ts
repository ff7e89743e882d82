import type { IncomingMessage } from 'node:http';

const MAX_LENGTH = 200;

/** The Origin and Host of an upgrade, for the log. */
export const describePage = ({ headers }: Pick<IncomingMessage, 'headers'>): string =>
  `Origin ${quote(headers.origin)}, Host ${quote(headers.host)}`;

/** Quoted and truncated, because clients choose the value. */
const quote = (value: string | undefined): string =>
  value === undefined ? 'none' : JSON.stringify(value.slice(0, MAX_LENGTH));
