import { Injectable } from '@nestjs/common';
import { ConfigError } from '../../config/config-error.js';
import { Config } from '../../config/config.js';

/**
 * Whom passkeys are made for, and which sites may ask for them: from configuration alone, never from a header. The domain
 * is PASSKEY_RP_ID or the host of PUBLIC_URL; the sites are PUBLIC_URL and those ALLOWED_ORIGINS that lie in the domain.
 */
@Injectable()
export class RelyingParty {
  /** The domain: a passkey belongs to it, and works on its sites alone. */
  readonly id: string;
  readonly name: string;
  readonly origins: string[];

  constructor({ APP_NAME, PASSKEY_RP_ID, PUBLIC_URL, PORT, ALLOWED_ORIGINS }: Config) {
    const own = new URL(PUBLIC_URL ?? `http://localhost:${PORT}`);
    this.id = PASSKEY_RP_ID ?? own.hostname;
    this.name = APP_NAME;
    this.origins = [own.origin, ...ALLOWED_ORIGINS].filter((origin) => origin !== '*' && this.holds(origin));
    if (this.origins.length > 0) return;
    throw new ConfigError([
      `PASSKEY_RP_ID (${this.id}) holds neither PUBLIC_URL nor any of ALLOWED_ORIGINS: set it to their host or a domain above.`,
    ]);
  }

  private holds(origin: string): boolean {
    return `.${new URL(origin).hostname}`.endsWith(`.${this.id}`);
  }
}
