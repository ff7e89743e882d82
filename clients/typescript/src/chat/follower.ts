import type { ChatAnswers, ChatPushes } from '../generated/chat.js';
import type { ChatMessage } from './subscription.js';

/** A change of a conversation: a message, or what was edited, deleted, renamed and so on. */
export type ChatEvent = ChatPushes['conversation_event'];
type Resumed = ChatAnswers['resume']['conversations'];

/** What is known of a conversation: the ids of its last message and event; 0 for none. */
export interface ChatCursor {
  conversation_id: number;
  message_id: number;
  revision: number;
}

/** Cursors that the server takes at once. */
const MAX_CURSORS = 100;

/**
 * Delivers the messages and events of conversations, each once, also over lost connections: what was missed is fetched with
 * `resume` before newer frames are delivered. The messages of a conversation are in order, and so are its events. If fetching fails,
 * it is tried again after the next frame, and after the next connect.
 */
export class Follower {
  private readonly known = new Map<number, ChatCursor>();
  private waiting: ChatEvent[] = [];
  private behind = new Set<number>();
  private isFetching = false;
  private isEnded = false;

  constructor(
    cursors: Iterable<ChatCursor>,
    private readonly resume: (cursors: ChatCursor[]) => Promise<{ conversations: Resumed }>,
    private readonly deliver: (event: ChatEvent) => void,
    /** The user is not a member of the conversation any more. */
    private readonly drop: (conversationId: number) => void,
    private readonly fail: (error: unknown) => void,
  ) {
    for (const { conversation_id, message_id, revision } of cursors)
      this.known.set(conversation_id, { conversation_id, message_id, revision });
  }

  /** Where the user is in each conversation, to be stored and passed to the next follower. */
  get cursors(): ChatCursor[] {
    return [...this.known.values()].map((cursor) => ({ ...cursor }));
  }

  /** Follows one more conversation. */
  add(cursor: ChatCursor): void {
    this.known.set(cursor.conversation_id, { ...cursor });
    this.behind.add(cursor.conversation_id);
  }

  /** To be called after each connect, and after `add`. */
  catchUp(): void {
    for (const id of this.known.keys()) this.behind.add(id);
    if (!this.isFetching) void this.fetchMissed();
  }

  receiveMessage(message: ChatMessage): void {
    const { conversation_id, ...fields } = message;
    this.receive({
      conversation_id,
      revision: 0, // frames of messages have none
      kind: 'message',
      username: message.sender_username,
      at: message.sent_at,
      message: { ...fields, edited_at: null, is_deleted: false, reactions: [] },
      message_id: null,
      content: null,
      emoji: null,
      name: null,
      usernames: [],
      role: null,
    });
  }

  receive(event: ChatEvent): void {
    if (this.isEnded || !this.known.has(event.conversation_id)) return;
    if (!this.behind.has(event.conversation_id)) this.take(event);
    else if (this.isFetching) this.waiting.push(event);
    else void this.fetchMissed(); // also this event
  }

  end(): void {
    this.isEnded = true;
  }

  private async fetchMissed(): Promise<void> {
    this.isFetching = true;
    try {
      while (this.behind.size > 0 && !this.isEnded) {
        const ids = [...this.behind].slice(0, MAX_CURSORS);
        const { conversations } = await this.resume(ids.map((id) => this.known.get(id)!));
        for (const conversation of conversations) this.takeMissed(conversation);
      }
    } catch (error) {
      this.waiting = [];
      if (!this.isEnded) this.fail(error);
    } finally {
      this.isFetching = false;
    }
  }

  private takeMissed({ conversation_id, events, truncated, is_member }: Resumed[number]): void {
    for (const event of events) this.take(event);
    if (truncated) return;
    this.behind.delete(conversation_id);
    const waiting = this.waiting.filter((event) => event.conversation_id === conversation_id);
    this.waiting = this.waiting.filter((event) => event.conversation_id !== conversation_id);
    if (is_member) for (const event of waiting) this.take(event);
    else {
      this.known.delete(conversation_id);
      this.drop(conversation_id);
    }
  }

  /** Delivers what is newer than the cursor. */
  private take(event: ChatEvent): void {
    const cursor = this.known.get(event.conversation_id);
    if (!cursor || this.isEnded) return;
    const { message } = event;
    if (message ? message.id <= cursor.message_id : event.revision <= cursor.revision) return;
    if (message) cursor.message_id = message.id;
    else cursor.revision = event.revision;
    this.deliver(event);
  }
}
