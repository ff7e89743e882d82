import { parseSetCookie, stringifyCookie } from 'cookie';

/** The cookies of a browser, which keeps what responses set and drops what they delete. */
export class CookieJar {
  private readonly cookies = new Map<string, string>();

  /** Stores the cookies of a response. Returns them by name, with their attributes. */
  store(headers: Headers): Record<string, ReturnType<typeof parseSetCookie>> {
    const set = headers.getSetCookie().map((text) => parseSetCookie(text));
    for (const { name, value = '', maxAge } of set) {
      if (maxAge === 0) this.cookies.delete(name);
      else this.cookies.set(name, value);
    }
    return Object.fromEntries(set.map((cookie) => [cookie.name, cookie]));
  }

  get names(): string[] {
    return [...this.cookies.keys()].toSorted();
  }

  get(name: string): string {
    return this.cookies.get(name) ?? '';
  }

  /** The header `Cookie`, with all cookies or those of these names. */
  header(...names: string[]): { cookie: string } {
    const chosen = [...this.cookies].filter(([name]) => names.length === 0 || names.includes(name));
    return { cookie: stringifyCookie(Object.fromEntries(chosen)) };
  }
}
