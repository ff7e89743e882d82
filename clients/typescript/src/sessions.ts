import type { components } from './generated/api.js';
import type { SessionStore, StoredSession } from './session-store.js';
import { MachiProblem } from './problem.js';

export type SessionDto = components['schemas']['SessionDto'];

/** Time for a browser to show one tab what another one has stored. */
const PROPAGATION_MS = 500;

type RefreshCall = (session: StoredSession | undefined) => Promise<SessionDto>;

/** Refreshes that are running, by the store: clients with one store share them. */
const running = new WeakMap<SessionStore, Promise<StoredSession | undefined>>();

/** Keeps the session of a client and refreshes it once, however many calls and tabs need it. */
export class Sessions {
  private readonly listeners = new Set<() => void>();

  constructor(
    readonly store: SessionStore,
    private readonly lockName: string,
    /** Whether the server keeps the refresh token in a cookie. */
    private readonly hasCookie: boolean,
    private readonly callRefresh: RefreshCall,
  ) {
    store.onChange(() => this.notify());
  }

  get current(): StoredSession | undefined {
    return this.store.get();
  }

  /** Keeps the session of a sign-in. */
  keep({ id, identity_token, refresh_token }: SessionDto): StoredSession {
    const session = refresh_token ? { id, identity_token, refresh_token } : { id, identity_token };
    this.store.set(session);
    this.notify();
    return session;
  }

  /** Forgets a session, unless another one has taken its place. */
  forget(session: StoredSession | undefined): void {
    const { current } = this;
    if (current === undefined || current.identity_token !== session?.identity_token) return;
    this.store.set(undefined);
    this.notify();
  }

  /** Calls the listener after each change of the session, in any tab. */
  onChange(listener: () => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  /**
   * Returns a session with a newer identity token than the one of `used`; undefined if the session has ended. Rejects if the
   * server cannot be reached.
   */
  refresh(used: StoredSession | undefined): Promise<StoredSession | undefined> {
    const shared = running.get(this.store);
    if (shared) return shared;
    const refresh = this.withLock((hasWaited) => this.refreshNow(used, hasWaited)).finally(() =>
      running.delete(this.store),
    );
    running.set(this.store, refresh);
    return refresh;
  }

  private async refreshNow(used: StoredSession | undefined, hasWaited: boolean): Promise<StoredSession | undefined> {
    if (hasWaited && this.current?.identity_token === used?.identity_token) await this.changeOfOtherTab();
    const { current } = this;
    if (current && current.identity_token !== used?.identity_token) return current; // refreshed by another tab
    if (used && !current) return undefined; // signed out by another tab
    if (!current?.refresh_token && !this.hasCookie) return undefined;
    try {
      const renewed = await this.callRefresh(current);
      // The user may have signed out meanwhile, or another one in: the answer is of no use then.
      return this.current?.identity_token === current?.identity_token ? this.keep(renewed) : this.current;
    } catch (error) {
      if (!(error instanceof MachiProblem && error.status === 401)) throw error;
      this.forget(current);
      return undefined;
    }
  }

  /** One tab of the origin at a time, where the browser has Web Locks: everywhere but on plain HTTP. */
  private async withLock<T>(work: (hasWaited: boolean) => Promise<T>): Promise<T> {
    const locks = (globalThis.navigator as Partial<Navigator> | undefined)?.locks;
    if (!locks) return work(false);
    const first = await locks.request(this.lockName, { ifAvailable: true }, async (lock) =>
      lock ? { result: await work(false) } : undefined,
    );
    return first ? first.result : locks.request(this.lockName, () => work(true));
  }

  /** The lock may be passed on before the browser has passed on what the other tab has stored. */
  private changeOfOtherTab(): Promise<void> {
    return new Promise((resolve) => {
      const finish = (): void => {
        clearTimeout(timer);
        stop();
        resolve();
      };
      const stop = this.store.onChange(finish);
      const timer = setTimeout(finish, PROPAGATION_MS);
    });
  }

  private notify(): void {
    for (const listener of this.listeners) listener();
  }
}
