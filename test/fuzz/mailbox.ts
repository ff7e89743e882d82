import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { SecretWatch } from './secret-watch.js';

interface Mailed {
  address?: string;
  code?: string;
  link?: string;
}

/** The newest codes and links in the folder to which a test server writes its mails. */
export class Mailbox {
  private readonly seen = new Set<string>();
  private readonly latest: Mailed = {};

  constructor(
    private readonly dataDir: string,
    private readonly secrets: SecretWatch,
  ) {}

  newest(field: keyof Mailed): string | undefined {
    return this.latest[field];
  }

  /** Reads the mails that have arrived since the last call. */
  read(): void {
    const folder = join(this.dataDir, 'mail');
    if (!existsSync(folder)) return;
    for (const name of readdirSync(folder)) {
      if (this.seen.has(name) || !name.endsWith('.eml')) continue;
      this.seen.add(name);
      const text = readFileSync(join(folder, name), 'utf8');
      const code = /^ {4}(\d{8})\s*$/m.exec(text)?.[1];
      const link = /email-verifications\/([\w-]{20,})/.exec(text)?.[1];
      if (code) {
        this.latest.code = this.secrets.add(code);
        const address = /^To: .*?([\w.+-]+@[\w.-]+)/m.exec(text)?.[1];
        if (address) this.latest.address = address;
      }
      if (link) this.latest.link = this.secrets.add(link);
    }
  }
}
