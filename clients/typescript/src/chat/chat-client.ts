import type { ChatAnswers, ChatPushes, ChatRequests, components } from '../generated/chat.js';
import { ChatConnection, type WebSocketClass } from './chat-connection.js';
import { ChatError } from './chat-error.js';
import { callListener, Emitter } from './emitter.js';
import { type ChatCursor, type ChatEvent, Follower } from './follower.js';
import { type Frame, Outbox } from './outbox.js';
import { type ClosePlan, pauseOf, planOf, STABLE_MS } from './reconnect.js';
import { type ChatMessage, Subscription } from './subscription.js';

/** `waiting`: for the next attempt; `closed`: until `connect` is called. */
export type ChatState = 'idle' | 'connecting' | 'open' | 'waiting' | 'closed';

/** The end of a connection, and what follows. */
export interface ChatClose extends ClosePlan {
  code: number;
  reason: string;
}

/** The data of all frames by their type, of answers and of frames that others caused; and what the client reports itself. */
export type ChatEvents = ChatAnswers &
  ChatPushes & {
    state: ChatState;
    close: ChatClose;
    /** A contact came online or went offline. */
    presence: { username: string; isOnline: boolean };
  };

/** Where the chat gets identity tokens. */
export interface TokenSource {
  current(): string | undefined;
  /** A newer token than the given one; undefined if the user has to sign in. */
  refresh(used: string | undefined): Promise<string | undefined>;
  /** The server has ended the session of this token. */
  forget(used: string | undefined): void;
}

export interface ChatOptions {
  url: string;
  tokens: TokenSource;
  /** Node.js 20 has no WebSocket of its own: pass the one of the package `ws`. */
  WebSocket?: WebSocketClass;
  /** For tests: the random numbers of pauses. */
  random?: () => number;
}

export interface SendOptions {
  /** The id of a message of the same conversation. */
  replyTo?: number;
  /** Pictures that the user has uploaded; each can be sent once. */
  attachments?: readonly { id: string }[];
}

/** A conversation as `sync` lists it. */
export type ChatConversation = ChatAnswers['sync']['conversations'][number];

/** Conversations that are followed. */
export interface Following {
  /** Where the user is, to be stored and passed to `follow` later. */
  readonly cursors: ChatCursor[];
  /** Follows one more conversation. */
  add(cursor: ChatCursor): void;
  stop(): void;
}

type RequestType = Exclude<keyof ChatRequests, 'auth'>;
type Self = components['schemas']['HelloUserDto'];
/** Requests that can be sent again: most change nothing, and a read position moves forward only. */
const READS = new Set<string>(['ping', 'self', 'sync', 'resume', 'search_messages', 'mark_read', 'ack']);
const isRead = (type: string): boolean => READS.has(type) || type.startsWith('get_');

/**
 * The chat of a user, over connections that are made again as the close codes say. Messages that were not answered are sent
 * again with their nonces, and stored once.
 */
export class ChatClient {
  state: ChatState = 'idle';
  /** The user, once the first connection is open. */
  self: Self | undefined;
  /** Contacts by username, and whether they are online, as far as the server has told. */
  readonly presence = new Map<string, boolean>();
  private readonly events = new Emitter<ChatEvents>();
  private readonly outbox = new Outbox();
  private readonly subscriptions = new Set<Subscription>();
  private readonly followers = new Set<Follower>();
  private connection: ChatConnection | undefined;
  private usedToken: string | undefined;
  private failures = 0;
  private openedAt: number | undefined;
  private timer: ReturnType<typeof setTimeout> | undefined;
  /** Counts attempts to connect: one that was closed while it waited for a token ends, also if another one has begun. */
  private attempt = 0;

  constructor(private readonly options: ChatOptions) {
    if (!options.WebSocket && !globalThis.WebSocket)
      throw new TypeError('This runtime has no WebSocket: pass a class as the option WebSocket.');
    this.events.on('user_status', ({ username, is_online }) => this.notePresence(username, is_online));
    for (const type of ['add_contact', 'accept_contact', 'contact_accepted'] as const) {
      this.events.on(type, ({ contact }) => contact && this.notePresence(contact.username, contact.is_online));
    }
    this.events.on('remove_contact', ({ contact_username }) => this.presence.delete(contact_username));
  }

  /** Connects, and stays connected until `close`, or until the user has to sign in. */
  connect(): void {
    if (this.state !== 'idle' && this.state !== 'closed') return;
    globalThis.addEventListener?.('online', this.retryNow);
    void this.open();
  }

  /** Disconnects. Requests that are not answered are rejected. */
  close(): void {
    clearTimeout(this.timer);
    globalThis.removeEventListener?.('online', this.retryNow);
    this.connection?.end();
    this.connection = undefined;
    this.setState('closed');
    this.outbox.close();
  }

  /** Calls the listener with the data of each such event. Returns a function that stops this. */
  on<Name extends keyof ChatEvents>(name: Name, listener: (data: ChatEvents[Name]) => void): () => void {
    return this.events.on(name, listener);
  }

  /**
   * Sends a request as soon as the chat is connected. Rejects with a `ChatError`. One that changes something is not repeated
   * when the connection is lost before the answer: it rejects with `connection_lost`.
   */
  request<Type extends RequestType>(type: Type, fields: ChatRequests[Type]): Promise<ChatAnswers[Type]> {
    return this.enqueue(type, fields, isRead(type)) as Promise<ChatAnswers[Type]>;
  }

  /**
   * Sends a message. Resolves when it is stored, however often the connection is lost, and stores it once. `attachments` are what
   * `api.uploadAttachment` has returned; with some, `content` may be empty.
   */
  send(conversationId: number, content: string, { replyTo, attachments = [] }: SendOptions = {}): Promise<ChatMessage> {
    const reply = replyTo === undefined ? {} : { reply_id: replyTo };
    const pictures = attachments.length === 0 ? {} : { attachments: attachments.map(({ id }) => id) };
    const fields = { conversation_id: conversationId, content, ...reply, ...pictures, nonce: newNonce() };
    return this.enqueue('send_message', fields, true) as Promise<ChatMessage>;
  }

  /**
   * Calls the listener with each message of a conversation once and in order: those after the message `after`, or the newest
   * 100, then new ones, also those that arrive while the connection is lost. Returns a function that stops this. `onError` is
   * called when missed messages could not be fetched; nothing is delivered then until that succeeds, after the next message or connect.
   */
  subscribe(
    conversationId: number,
    listener: (message: ChatMessage) => void,
    { after, onError = () => undefined }: { after?: number; onError?: (error: unknown) => void } = {},
  ): () => void {
    const subscription = new Subscription(
      conversationId,
      (id, before) => this.request('get_messages', { conversation_id: id, before: before ?? null }),
      (message) => callListener(listener, message),
      (error) => callListener(onError, error),
      after,
    );
    this.subscriptions.add(subscription);
    if (this.state === 'open') subscription.catchUp();
    return () => {
      subscription.end();
      this.subscriptions.delete(subscription);
    };
  }

  /** The conversations of the user, newest first, page by page, with their last messages and unread counts. */
  async *conversations(): AsyncGenerator<ChatConversation, void, undefined> {
    for (let before: number | null = null; ;) {
      const { conversations, next }: ChatAnswers['sync'] = await this.request('sync', { before });
      yield* conversations;
      if (next === null) return;
      before = next;
    }
  }

  /**
   * Calls the listener with each message and each event of these conversations once, beginning after the cursors: what is missed
   * while the connection is lost is fetched. The messages of a conversation are in order, and so are its events; an event and a
   * message of the same moment may be swapped. `onLeft` is called for conversations of which the user is not a member any more,
   * `onError` as by `subscribe`.
   */
  follow(
    cursors: Iterable<ChatCursor>,
    listener: (event: ChatEvent) => void,
    {
      onLeft = () => undefined,
      onError = () => undefined,
    }: { onLeft?: (conversationId: number) => void; onError?: (error: unknown) => void } = {},
  ): Following {
    const follower = new Follower(
      cursors,
      (missed) => this.request('resume', { cursors: missed }),
      (event) => callListener(listener, event),
      (id) => callListener(onLeft, id),
      (error) => callListener(onError, error),
    );
    const catchUp = (): void => {
      if (this.state === 'open') follower.catchUp();
    };
    this.followers.add(follower);
    catchUp();
    return {
      get cursors() {
        return follower.cursors;
      },
      add(cursor) {
        follower.add(cursor);
        catchUp();
      },
      stop: () => {
        follower.end();
        this.followers.delete(follower);
      },
    };
  }

  /** Messages of a conversation, newest first, page by page; `before` is the id of a message. */
  async *history(conversationId: number, before?: number): AsyncGenerator<ChatMessage, void, undefined> {
    let oldest = before;
    for (;;) {
      const page = { conversation_id: conversationId, before: oldest ?? null };
      const { messages } = await this.request('get_messages', page);
      if (messages.length === 0) return;
      for (const message of messages) yield { ...message, conversation_id: conversationId };
      oldest = messages.at(-1)!.id;
    }
  }

  /** Before `connect` requests wait; after `close` they are rejected. */
  private enqueue(type: string, fields: object, isRepeatable: boolean): Promise<unknown> {
    if (this.state === 'closed') return Promise.reject(new ChatError('closed', 'The chat is closed.'));
    return this.outbox.add(type, fields, isRepeatable);
  }

  private readonly retryNow = (): void => {
    if (this.state !== 'waiting') return;
    clearTimeout(this.timer);
    void this.open();
  };

  private async open(isRefreshNeeded = false): Promise<void> {
    const attempt = ++this.attempt;
    this.setState('connecting');
    const token = await this.findToken(isRefreshNeeded).catch(() => null);
    if (this.state !== 'connecting' || attempt !== this.attempt) return; // closed meanwhile
    if (token === null) return this.wait(planOf(1006, ''), isRefreshNeeded);
    if (token === undefined) return this.close();
    this.usedToken = token;
    this.connection = new ChatConnection(this.options, token, {
      onFrame: (frame) => this.receive(frame),
      onClose: (code, reason) => this.handleClose(code, reason),
    });
  }

  private async findToken(isRefreshNeeded: boolean): Promise<string | undefined> {
    const { tokens } = this.options;
    if (isRefreshNeeded) return tokens.refresh(this.usedToken);
    return tokens.current() ?? tokens.refresh(undefined);
  }

  private receive(frame: Frame): void {
    if (frame.success && frame.type === 'hello') this.admit(frame.data as ChatPushes['hello']);
    if (frame.success && frame.type === 'expiring') void this.renew();
    if (frame.success) this.events.emit(frame.type as keyof ChatAnswers, frame.data as never);
    if (frame.success && frame.type === 'send_message') {
      for (const subscription of this.subscriptions) subscription.receive(frame.data as ChatMessage);
      for (const follower of this.followers) follower.receiveMessage(frame.data as ChatMessage);
    }
    if (frame.success && frame.type === 'conversation_event') {
      for (const follower of this.followers) follower.receive(frame.data as ChatEvent);
    }
    this.outbox.settle(frame);
  }

  private admit({ user, limits }: ChatPushes['hello']): void {
    if (this.self && this.self.id !== user.id) this.forgetUser();
    this.self = user;
    this.openedAt = Date.now();
    this.setState('open');
    const { connection } = this;
    this.outbox.open((text) => connection?.send(text), limits);
    for (const subscription of this.subscriptions) subscription.catchUp();
    for (const follower of this.followers) follower.catchUp();
  }

  /** Another user has signed in: what the one before has not sent yet must not be sent in the name of this one. */
  private forgetUser(): void {
    this.outbox.close();
    this.presence.clear();
  }

  /** Keeps the connection with a fresh token. If that fails, the server closes it, and `handleClose` tries again. */
  private async renew(): Promise<void> {
    const { connection } = this;
    const token = await this.options.tokens.refresh(this.usedToken).catch(() => undefined);
    if (token === undefined || connection !== this.connection) return;
    this.usedToken = token;
    connection?.authenticate(token);
  }

  private handleClose(code: number, reason: string): void {
    const plan = planOf(code, reason);
    this.connection = undefined;
    if (code === 1009) this.outbox.dropLongest();
    this.outbox.interrupt();
    if (this.openedAt !== undefined && Date.now() - this.openedAt >= STABLE_MS) this.failures = 0;
    this.openedAt = undefined;
    this.events.emit('close', { ...plan, code, reason });
    const hasSignedInAgain =
      plan.action === 'sign_in' && ![undefined, this.usedToken].includes(this.options.tokens.current());
    if (plan.action === 'sign_in') this.options.tokens.forget(this.usedToken);
    if (plan.action === 'stop' || (plan.action === 'sign_in' && !hasSignedInAgain)) this.close();
    else this.wait(plan, plan.action === 'refresh');
  }

  private wait(plan: ClosePlan, isRefreshNeeded: boolean): void {
    this.setState('waiting');
    const pause = pauseOf(plan, this.failures++, this.options.random ?? Math.random);
    this.timer = setTimeout(() => void this.open(isRefreshNeeded), pause);
  }

  private notePresence(username: string, isOnline: boolean): void {
    this.presence.set(username, isOnline);
    this.events.emit('presence', { username, isOnline });
  }

  private setState(state: ChatState): void {
    if (this.state === state) return;
    this.state = state;
    this.events.emit('state', state);
  }
}

/** `crypto.randomUUID` is missing on plain HTTP. */
const newNonce = (): string =>
  [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, '0')).join('');
