import type { Logger } from '@nestjs/common';
import type { Config } from '../config/config.js';
import type { Send } from './mail-transport.js';

const TIMEOUT_MS = 15_000;
/** Statuses after which another attempt can succeed: the operator may correct the token, or the gateway is busy. */
const TEMPORARY = [401, 403, 407, 408, 425, 429];

/** Sends by SMS_GATEWAY_URL if it is set, otherwise writes log lines. Undefined in production without SMS_GATEWAY_URL. */
export function createSmsSend(config: Config, log: Logger): Send | undefined {
  if (config.SMS_GATEWAY_URL !== undefined) return sendByGateway(config.SMS_GATEWAY_URL, config.SMS_GATEWAY_TOKEN);
  return config.isProduction ? undefined : writeToLog(log);
}

/** The gateway gets the id with every attempt, so that it can recognise a repetition. Redirects are not followed. */
function sendByGateway(url: string, token: string | undefined): Send {
  return async ({ id, to, text }) => {
    const response = await fetch(url, {
      method: 'POST',
      redirect: 'manual',
      headers: {
        'content-type': 'application/json',
        'idempotency-key': id,
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      },
      body: JSON.stringify({ id, to, text }),
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    await response.body?.cancel();
    if (response.ok) return undefined;
    const { status } = response;
    const isPermanent = status >= 400 && status < 500 && !TEMPORARY.includes(status);
    throw Object.assign(new Error('the SMS gateway refuses'), { code: `HTTP ${status}`, isPermanent });
  };
}

/** Neither the number nor the text is logged. */
const writeToLog =
  (log: Logger): Send =>
  async ({ id, kind, to, text }) => {
    log.log(
      `SMS "${kind}" ${id} to *******${to.slice(-2)}, ${text.length} characters: not sent, SMS_GATEWAY_URL is not set`,
    );
    return undefined;
  };
