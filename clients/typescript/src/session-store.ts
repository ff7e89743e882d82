/** What a client keeps of a session. */
export interface StoredSession {
  id: string;
  identity_token: string;
  /** Absent if the server keeps it in a cookie. */
  refresh_token?: string;
}

/** Where a client keeps its session. */
export interface SessionStore {
  get(): StoredSession | undefined;
  /** `undefined` signs out. */
  set(session: StoredSession | undefined): void;
  /** Calls the listener after another tab has changed the session. Returns a function that stops this. */
  onChange(listener: () => void): () => void;
}

/**
 * Keeps the session in memory: a page that is loaded again signs in again, or gets its session back by the refresh cookie.
 * With a name, the tabs of one origin share it over a BroadcastChannel.
 */
export class MemorySessionStore implements SessionStore {
  private session: StoredSession | undefined;
  private readonly channel: BroadcastChannel | undefined;
  private readonly listeners = new Set<() => void>();

  constructor(name?: string) {
    if (name === undefined || typeof BroadcastChannel === 'undefined') return;
    this.channel = new BroadcastChannel(name);
    this.channel.addEventListener('message', ({ data }: MessageEvent<StoredSession | null>) => {
      this.session = data ?? undefined;
      for (const listener of this.listeners) listener();
    });
    (this.channel as { unref?: () => void }).unref?.(); // Node.js would not end while the channel is open
  }

  get(): StoredSession | undefined {
    return this.session;
  }

  set(session: StoredSession | undefined): void {
    this.session = session;
    this.channel?.postMessage(session ?? null);
  }

  onChange(listener: () => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }
}

/**
 * Keeps the session in localStorage or sessionStorage: it outlives the page, and scripts of the same origin can read it.
 * Tabs share localStorage.
 */
export class WebSessionStore implements SessionStore {
  constructor(
    private readonly storage: Storage = localStorage,
    private readonly key = 'machi-session',
  ) {}

  get(): StoredSession | undefined {
    return parseSession(this.storage.getItem(this.key) ?? '');
  }

  set(session: StoredSession | undefined): void {
    if (session === undefined) this.storage.removeItem(this.key);
    else this.storage.setItem(this.key, JSON.stringify(session));
  }

  onChange(listener: () => void): () => void {
    const onStorage = ({ storageArea, key }: StorageEvent): void => {
      if (storageArea === this.storage && (key === this.key || key === null)) listener();
    };
    addEventListener('storage', onStorage);
    return () => removeEventListener('storage', onStorage);
  }
}

/** Other programs of the origin and older versions of the page may have written the entry: what is no session counts as none. */
function parseSession(text: string): StoredSession | undefined {
  try {
    const session = JSON.parse(text) as Partial<StoredSession> | null;
    const isSession = typeof session?.id === 'string' && typeof session.identity_token === 'string';
    return isSession ? (session as StoredSession) : undefined;
  } catch {
    return undefined;
  }
}
