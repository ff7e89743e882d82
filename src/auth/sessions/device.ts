import bowser from 'bowser';
import type { Request } from 'express';
import { createHash } from 'node:crypto';
import { requestContext } from '../../http/log/request-context.js';
import { networkOf } from '../../rate-limit/client-network.js';
import type { CompatSystem } from '../../config/compat-systems.js';

const MAX_USER_AGENT = 300;

/** All names that `deviceName` can return. The client chooses its user agent, whose text must not reach a mail or a list. */
const BROWSERS = new Set(Object.values(bowser.BROWSER_MAP));
const SYSTEMS = new Set(Object.values(bowser.OS_MAP));
const PROGRAMS = ['CFNetwork', 'Dart', 'curl', 'node', 'okhttp', 'PostmanRuntime', 'python-requests', 'Wget'];

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

/** Identifies the network and the browser of a client, for comparisons only. */
export const clientOf = ({ ip, user_agent }: Device): string =>
  createHash('sha256')
    .update(`${networkOf(ip)} ${user_agent ?? ''}`)
    .digest('base64url');

/** A readable name such as "Firefox on Windows", of a fixed set; "Unknown device" for anything else. */
export function deviceName(userAgent: string | null): string {
  if (userAgent === null) return UNKNOWN_DEVICE;
  const { browser, os } = bowser.parse(userAgent);
  const program = BROWSERS.has(browser.name ?? '') ? browser.name : findProgram(userAgent);
  const system = SYSTEMS.has(os.name ?? '') ? os.name : undefined;
  if (program && system) return `${program} on ${system}`;
  return program ?? (system ? `Unknown program on ${system}` : UNKNOWN_DEVICE);
}

const UNKNOWN_DEVICE = 'Unknown device';

const findProgram = (userAgent: string): string | undefined =>
  PROGRAMS.find((name) => userAgent === name || userAgent.startsWith(`${name}/`));
