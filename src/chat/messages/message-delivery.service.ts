import { Injectable } from '@nestjs/common';
import { Problem } from '../../http/problems/problem.js';
import type { ProblemCode } from '../../http/problems/problem-catalogue.js';
import { LabelCounts } from '../../metrics/counts.js';
import { MetricsService } from '../../metrics/metrics.service.js';
import type { Connection } from '../connections/connection.js';
import { MessageBroadcasterService, type MessageFrame } from '../delivery/message-broadcaster.service.js';
import { type MessageTexts, messageTexts, type MissedMessage } from '../delivery/stored-messages.js';
import { errorText, withRequestId } from '../protocol/responses.js';
import type { AppendOutcome, AppendResult, NewMessage, StoredMessage } from './new-message.js';

/** A message that waits to be stored, and its requester. */
export interface QueuedMessage {
  message: NewMessage;
  requester: Connection;
  requestId: string | null | undefined;
  /** Called once the requester is answered. */
  onAnswered: () => void;
}

const PROBLEMS = {
  conflict: 'nonce_reused',
  not_a_member: 'conversation_not_found',
  reply_not_found: 'reply_not_found',
  attachment_not_found: 'attachment_not_found',
  attachment_used: 'attachment_used',
} as const satisfies Partial<Record<AppendOutcome['kind'], ProblemCode>>;

const OUTCOMES: AppendOutcome['kind'][] = [
  'stored',
  'duplicate',
  'conflict',
  'not_a_member',
  'reply_not_found',
  'attachment_not_found',
  'attachment_used',
  'failed',
];

/** Replaces the id of a conversation for answers that only the requester gets. */
const REQUESTER_ONLY = 0;

/** Sends stored messages to the members of their conversations, and all other outcomes to the requesters. */
@Injectable()
export class MessageDeliveryService {
  private readonly sends = new LabelCounts('result', OUTCOMES);

  constructor(
    private readonly broadcaster: MessageBroadcasterService,
    metrics: MetricsService,
  ) {
    metrics.total('machi_chat_sends_total', 'Messages by the result of storing them.', () => this.sends.read());
  }

  /**
   * The messages of one conversation are broadcast together. If that would change the order of the answers to a
   * requester, the frames that were collected before are broadcast first.
   */
  deliver(batch: QueuedMessage[], { outcomes, missed }: AppendResult): void {
    const before = missed.length > 0 ? new MissedFrames(missed, batch, outcomes) : undefined;
    let collected = new Map<number, MessageFrame[]>();
    /** For each requester, the conversation whose collected frames contain its latest answer. */
    let latest = new Map<Connection, number>();
    for (const [i, queued] of batch.entries()) {
      const { message, requester, requestId } = queued;
      const outcome = outcomes[i]!;
      this.sends.add(outcome.kind);
      if (before?.answers(message.nonce)) continue;
      const conversation = outcome.kind === 'stored' ? message.conversation_id : REQUESTER_ONLY;
      if ((latest.get(requester) ?? conversation) !== conversation) {
        this.broadcast(collected);
        collected = new Map();
        latest = new Map();
      }
      latest.set(requester, conversation);
      if (outcome.kind !== 'stored') requester.send(privateAnswer(queued, outcome));
      else {
        const { revision } = outcome;
        before?.collect(collected, conversation, revision);
        const { text, oldText } = textsOf(message, outcome);
        collect(collected, conversation, {
          text,
          oldText,
          requester,
          requestId,
          revision,
          senderId: message.sender_id,
          isOwn: true,
        });
      }
    }
    before?.collectAll(collected);
    this.broadcast(collected);
    for (const { onAnswered } of batch) onAnswered();
  }

  private broadcast(collected: Map<number, MessageFrame[]>): void {
    for (const [id, frames] of collected) this.broadcaster.broadcast(id, frames);
  }
}

/**
 * Frames of messages that other nodes have stored before the batch, by conversation and revision. One that the batch contains
 * again, because its client did not get the answer, answers that request.
 */
class MissedFrames {
  private readonly byConversation = new Map<number, MessageFrame[]>();
  private readonly answered = new Set<string>();

  constructor(missed: MissedMessage[], batch: QueuedMessage[], outcomes: AppendOutcome[]) {
    const duplicates = batch.filter((_, i) => outcomes[i]!.kind === 'duplicate');
    const requests = new Map(duplicates.map((queued) => [queued.message.nonce, queued]));
    for (const message of missed) {
      const { conversation_id, nonce, revision, sender_id } = message;
      const { requester, requestId } = requests.get(nonce) ?? {};
      if (requester) this.answered.add(nonce);
      const texts = messageTexts(message);
      const frame = { ...texts, requester, requestId, revision, senderId: sender_id, isOwn: false };
      collect(this.byConversation, conversation_id, frame);
    }
    for (const frames of this.byConversation.values()) frames.sort((a, b) => a.revision - b.revision);
  }

  answers(nonce: string): boolean {
    return this.answered.has(nonce);
  }

  /** Moves the frames of a conversation up to this revision. */
  collect(collected: Map<number, MessageFrame[]>, conversationId: number, revision: number): void {
    const frames = this.byConversation.get(conversationId) ?? [];
    const end = frames.findIndex((frame) => frame.revision > revision);
    for (const frame of frames.splice(0, end < 0 ? frames.length : end)) collect(collected, conversationId, frame);
  }

  collectAll(collected: Map<number, MessageFrame[]>): void {
    for (const id of this.byConversation.keys()) this.collect(collected, id, Infinity);
  }
}

function collect(collected: Map<number, MessageFrame[]>, conversationId: number, frame: MessageFrame): void {
  const frames = collected.get(conversationId);
  if (frames) frames.push(frame);
  else collected.set(conversationId, [frame]);
}

function privateAnswer({ message, requester, requestId }: QueuedMessage, outcome: AppendOutcome): string {
  if (outcome.kind === 'stored' || outcome.kind === 'duplicate')
    return withRequestId(textsOf(message, outcome).text, requestId);
  const problem = outcome.kind === 'failed' ? outcome.problem : new Problem(PROBLEMS[outcome.kind]);
  return errorText('send_message', problem, requester.isV2, requestId);
}

function textsOf(
  { conversation_id, reply_id, content }: NewMessage,
  { id, storedAt, senderUsername, attachments }: StoredMessage,
): MessageTexts {
  const sent_at = Math.floor(storedAt / 1_000_000);
  return messageTexts({ id, senderUsername, conversation_id, reply_id, content, sent_at, attachments });
}
