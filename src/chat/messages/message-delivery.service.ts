import { Injectable } from '@nestjs/common';
import { Problem } from '../../http/problems/problem.js';
import type { ProblemCode } from '../../http/problems/problem-catalogue.js';
import { type BroadcastFrame, BroadcasterService } from '../connections/broadcaster.service.js';
import type { Connection } from '../connections/connection.js';
import { DELETED_USER } from '../protocol/placeholders.js';
import { errorText, withRequestId } from '../protocol/responses.js';
import { MemberCacheService } from './member-cache.service.js';
import type { AppendOutcome, NewMessage, StoredMessage } from './new-message.js';

/** A message that waits to be stored, and its requester. */
export interface QueuedMessage {
  message: NewMessage;
  requester: Connection;
  requestId: string | null | undefined;
  /** Called once the requester is answered. */
  onAnswered: () => void;
}

interface MessageFrame extends BroadcastFrame {
  /** Participant id. Members who have blocked the sender do not get the frame. */
  senderId: number;
}

const PROBLEMS = {
  conflict: 'nonce_reused',
  not_a_member: 'conversation_not_found',
  reply_not_found: 'reply_not_found',
} as const satisfies Partial<Record<AppendOutcome['kind'], ProblemCode>>;

/** Replaces the id of a conversation for answers that only the requester gets. */
const REQUESTER_ONLY = 0;

/** Sends stored messages to the members of their conversations, and all other outcomes to the requesters. */
@Injectable()
export class MessageDeliveryService {
  constructor(
    private readonly members: MemberCacheService,
    private readonly broadcaster: BroadcasterService,
  ) {}

  /**
   * The messages of one conversation are broadcast together. If that would change the order of the answers to a
   * requester, the frames that were collected before are broadcast first.
   */
  deliver(batch: QueuedMessage[], outcomes: AppendOutcome[]): void {
    let collected = new Map<number, MessageFrame[]>();
    /** For each requester, the conversation whose collected frames contain its latest answer. */
    let latest = new Map<Connection, number>();
    for (const [i, queued] of batch.entries()) {
      const { message, requester, requestId } = queued;
      const outcome = outcomes[i]!;
      const conversation = outcome.kind === 'stored' ? message.conversation_id : REQUESTER_ONLY;
      if ((latest.get(requester) ?? conversation) !== conversation) {
        this.broadcast(collected);
        collected = new Map();
        latest = new Map();
      }
      latest.set(requester, conversation);
      if (outcome.kind !== 'stored') requester.send(privateAnswer(queued, outcome));
      else
        collect(collected, conversation, {
          text: messageText(message, outcome),
          requester,
          requestId,
          senderId: message.sender_id,
        });
    }
    this.broadcast(collected);
    for (const { onAnswered } of batch) onAnswered();
  }

  private broadcast(collected: Map<number, MessageFrame[]>): void {
    for (const [id, frames] of collected) {
      const members = this.members.of(id);
      if (!this.members.hasBlocks(id)) this.broadcaster.broadcast(members, frames);
      else for (const frame of frames) this.broadcastAroundBlocks(id, members, frame);
    }
  }

  private broadcastAroundBlocks(conversationId: number, members: number[], frame: MessageFrame): void {
    const blockers = this.members.blockersOf(conversationId, frame.senderId);
    this.broadcaster.broadcast(blockers ? members.filter((id) => !blockers.has(id)) : members, [frame]);
  }
}

function collect(collected: Map<number, MessageFrame[]>, conversationId: number, frame: MessageFrame): void {
  const frames = collected.get(conversationId);
  if (frames) frames.push(frame);
  else collected.set(conversationId, [frame]);
}

function privateAnswer({ message, requestId }: QueuedMessage, outcome: AppendOutcome): string {
  if (outcome.kind === 'stored' || outcome.kind === 'duplicate')
    return withRequestId(messageText(message, outcome), requestId);
  const problem = outcome.kind === 'failed' ? outcome.problem : new Problem(PROBLEMS[outcome.kind]);
  return errorText('send_message', problem, requestId);
}

/** Uses JSON.stringify for the content only, because this frame is built thousands of times a second. */
function messageText(message: NewMessage, { id, storedAt, senderUsername }: StoredMessage): string {
  const { conversation_id, reply_id, content } = message;
  const sentAt = Math.floor(storedAt / 1_000_000);
  return (
    `{"success":true,"type":"send_message","data":{"id":${id},"sender_username":"${senderUsername ?? DELETED_USER}",` +
    `"conversation_id":${conversation_id},"reply_id":${reply_id},` +
    `"content":${JSON.stringify(content)},"sent_at":${sentAt}}}`
  );
}
