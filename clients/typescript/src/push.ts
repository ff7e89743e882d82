import type { Api, Result } from './operations.js';

/** What of a `ServiceWorkerRegistration` is used. */
export interface PushRegistration {
  pushManager: Pick<PushManager, 'getSubscription' | 'subscribe'>;
}

/** The content of a push, as a service worker gets it from `event.data.json()`. */
export interface PushContent {
  type: 'message';
  conversation_id: number;
  conversation_name: string;
  message_id: number;
  sender_username: string;
  /** The first 120 characters. */
  text: string;
}

/** Turns pushes on and off in this browser. */
export class Push {
  constructor(private readonly api: Api) {}

  /**
   * Subscribes the browser and registers the subscription for the session. To be called after a click, and after each sign-in in a
   * browser where pushes are on. Rejects with the problem `push_off` if the server sends none, and as `pushManager.subscribe` does if
   * the user refuses.
   */
  async enable({ pushManager }: PushRegistration): Promise<Result<'createPushSubscription'>> {
    const { public_key } = await this.api.getPushKey();
    const existing = await pushManager.getSubscription();
    if (existing && !isOfKey(existing, public_key)) await existing.unsubscribe(); // the server has a new key
    const subscription = await pushManager.subscribe({ userVisibleOnly: true, applicationServerKey: public_key });
    const { endpoint, keys } = subscription.toJSON();
    return this.api.createPushSubscription({
      body: { endpoint: endpoint!, keys: { p256dh: keys!['p256dh']!, auth: keys!['auth']! } },
    });
  }

  /** Removes the subscription of the session from the server and the browser. Signing out does the former. */
  async disable({ pushManager }: PushRegistration): Promise<void> {
    const { items } = await this.api.listPushSubscriptions();
    const own = items.filter(({ is_current }) => is_current);
    await Promise.all(own.map(({ id }) => this.api.removePushSubscription({ path: { id } })));
    await (await pushManager.getSubscription())?.unsubscribe();
  }
}

function isOfKey({ options }: PushSubscription, publicKey: string): boolean {
  const key = options.applicationServerKey;
  if (!key) return false;
  const text = btoa(String.fromCharCode(...new Uint8Array(key)));
  return text.replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '') === publicKey;
}
