import type { Readable } from 'node:stream';

/** Compares the words of a log with the secrets of a run. */
export class SecretWatch {
  private readonly secrets = new Set<string>();
  private readonly words = new Set<string>();
  private rest = '';

  /** Reads the log until its end. */
  watch(log: Readable): void {
    log.on('data', (chunk: Buffer) => {
      const lines = (this.rest + chunk.toString()).split('\n');
      this.rest = lines.pop()!;
      for (const line of lines) for (const word of line.match(/[\w.-]{8,}/g) ?? []) this.words.add(word);
    });
  }

  /** Returns the secret. Shorter ones than eight characters cannot be told from other numbers of a log. */
  add(secret: string): string {
    if (secret.length >= 8) this.secrets.add(secret);
    return secret;
  }

  get size(): number {
    return this.secrets.size;
  }

  /** The secrets that the log contains. */
  found(): string[] {
    return [...this.secrets].filter((secret) => this.words.has(secret));
  }
}
