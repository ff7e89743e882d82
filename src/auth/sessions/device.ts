import bowser from 'bowser';
import type { Request } from 'express';
import { requestContext } from '../../http/request-context.js';
import type { CompatSystem } from '../../config/compat-systems.js';

const MAX_USER_AGENT = 300;

/** The client that opens or refreshes a session. */
export interface Device {
  ip: string | null;
  user_agent: string | null;
  /** The replaced system whose route the client calls; null or absent for a route of ours. */
  compat_system?: CompatSystem | null;
}

/** The client of a request; `compat_system` is the replaced system to which the route belongs. */
export function deviceOf(request: Request, compat_system: CompatSystem | null = null): Device {
  const userAgent = request
    .get('user-agent')
    ?.replace(/[^\x20-\x7e]/g, '')
    .slice(0, MAX_USER_AGENT);
  return { ip: requestContext()?.ip ?? null, user_agent: userAgent || null, compat_system };
}

/** A readable name such as "Firefox on Windows"; for clients that are not browsers, the program's name. */
export function deviceName(userAgent: string | null): string {
  if (userAgent === null) return 'Unknown device';
  const { browser, os } = bowser.parse(userAgent);
  if (browser.name && os.name) return `${browser.name} on ${os.name}`;
  return browser.name || /^[\w.-]+/.exec(userAgent)?.[0] || 'Unknown device';
}
