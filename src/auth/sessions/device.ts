import bowser from 'bowser';
import type { Request } from 'express';
import { requestContext } from '../../http/request-context.js';

const MAX_USER_AGENT = 300;

/** The client that opens a session. */
export interface Device {
  ip: string | null;
  user_agent: string | null;
}

export function deviceOf(request: Request): Device {
  const userAgent = request
    .get('user-agent')
    ?.replace(/[^\x20-\x7e]/g, '')
    .slice(0, MAX_USER_AGENT);
  return { ip: requestContext()?.ip ?? null, user_agent: userAgent || null };
}

/** A readable name such as "Firefox on Windows"; for clients that are not browsers, the program's name. */
export function deviceName(userAgent: string | null): string {
  if (userAgent === null) return 'Unknown device';
  const { browser, os } = bowser.parse(userAgent);
  if (browser.name && os.name) return `${browser.name} on ${os.name}`;
  return browser.name || /^[\w.-]+/.exec(userAgent)?.[0] || 'Unknown device';
}
