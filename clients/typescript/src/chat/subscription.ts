import type { ChatAnswers } from '../generated/chat.js';

/** A message as it is sent to the members of its conversation. */
export type ChatMessage = ChatAnswers['send_message'];
type Page = ChatAnswers['get_messages'];

/** Messages in a page of `get_messages`. */
const PAGE = 100;

/**
 * Delivers the messages of a conversation in their order and each once, also over lost connections: what was missed is fetched
 * before newer messages are delivered. If that fails, it is tried again after the next message, and after the next connect.
 */
export class Subscription {
  private readonly waiting = new Map<number, ChatMessage>();
  private isBehind = false;
  private isFetching = false;
  private isEnded = false;

  /** `last`: the id of the last message that is known; undefined to begin with the newest page. */
  constructor(
    readonly conversationId: number,
    private readonly fetchPage: (conversationId: number, before?: number) => Promise<Page>,
    private readonly deliver: (message: ChatMessage) => void,
    private readonly fail: (error: unknown) => void,
    private last?: number,
  ) {}

  /** To be called after each connect. */
  catchUp(): void {
    this.isBehind = true;
    if (!this.isFetching) void this.fetchMissed();
  }

  receive(message: ChatMessage): void {
    if (this.isEnded || message.conversation_id !== this.conversationId || message.id <= (this.last ?? 0)) return;
    if (this.isBehind && !this.isFetching) {
      void this.fetchMissed(); // also this message
      return;
    }
    this.waiting.set(message.id, message);
    if (!this.isFetching) this.flush();
  }

  end(): void {
    this.isEnded = true;
  }

  private async fetchMissed(): Promise<void> {
    this.isFetching = true;
    try {
      while (this.isBehind) {
        this.isBehind = false;
        await this.fetchPages();
      }
      this.flush();
    } catch (error) {
      this.isBehind = true;
      this.waiting.clear();
      if (!this.isEnded) this.fail(error);
    } finally {
      this.isFetching = false;
    }
  }

  private async fetchPages(): Promise<void> {
    const { conversationId, last } = this;
    let before: number | undefined;
    for (;;) {
      const { messages } = await this.fetchPage(conversationId, before);
      for (const message of messages) {
        if (message.id > (last ?? 0)) this.waiting.set(message.id, { ...message, conversation_id: conversationId });
      }
      const oldest = messages.at(-1)?.id;
      if (oldest === undefined || last === undefined || oldest <= last || messages.length < PAGE) return;
      before = oldest;
    }
  }

  private flush(): void {
    const messages = [...this.waiting.values()].toSorted((a, b) => a.id - b.id);
    this.waiting.clear();
    for (const message of messages) {
      if (this.isEnded) return;
      this.last = message.id;
      this.deliver(message);
    }
  }
}
