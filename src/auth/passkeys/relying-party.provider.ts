import { Injectable } from '@nestjs/common';
import { ConfigError } from '../../config/config-error.js';
import { Config } from '../../config/config.js';

/**
 * The WebAuthn relying party and the origins that may use passkeys, from configuration only, never from a header. The id is
 * PASSKEY_RP_ID or the host of PUBLIC_URL; the origins are PUBLIC_URL and those ALLOWED_ORIGINS within that domain.
 */
@Injectable()
export class RelyingParty {
  /** The domain to which passkeys belong. */
  readonly id: string;
  readonly name: string;
  readonly origins: string[];

  constructor({ APP_NAME, PASSKEY_RP_ID, PUBLIC_URL, PORT, ALLOWED_ORIGINS }: Config) {
    const own = new URL(PUBLIC_URL ?? `http://localhost:${PORT}`);
    this.id = PASSKEY_RP_ID ?? own.hostname;
    this.name = APP_NAME;
    this.origins = [own.origin, ...ALLOWED_ORIGINS].filter((origin) => origin !== '*' && this.contains(origin));
    if (this.origins.length > 0) return;
    throw new ConfigError([
      `PASSKEY_RP_ID (${this.id}) contains neither PUBLIC_URL nor any of ALLOWED_ORIGINS: set it to their host or a parent domain.`,
    ]);
  }

  private contains(origin: string): boolean {
    return `.${new URL(origin).hostname}`.endsWith(`.${this.id}`);
  }
}
