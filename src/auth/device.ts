import type { Request } from 'express';
import { isIP } from 'node:net';
import type { Device } from './sessions.service.js';

const MAX_USER_AGENT = 300;

/** Where a request comes from, as far as it says; forwarded addresses count only behind the proxies of TRUST_PROXY. */
export function deviceOf(request: Request): Device {
  const ip = request.ip?.split('%', 1)[0] ?? ''; // without an IPv6 zone
  const userAgent = request
    .get('user-agent')
    ?.replace(/[^\x20-\x7e]/g, '')
    .slice(0, MAX_USER_AGENT);
  return { ip: isIP(ip) ? ip : null, user_agent: userAgent || null };
}
