import { Injectable } from '@nestjs/common';
import { Problem, type ProblemCode } from '../../http/problem.js';
import { TOMBSTONE } from '../conversations/conversations.service.js';
import { errorText } from '../protocol/responses.js';
import type { Connection } from '../connections/connection.js';
import { type Delivered, BroadcasterService, withRequestId } from '../connections/broadcaster.service.js';
import type { PendingMessage, Outcome } from './pending-message.js';
import { MemberCacheService } from './member-cache.service.js';

const REFUSALS: Partial<Record<Outcome['kind'], ProblemCode>> = {
  conflict: 'nonce_reused',
  not_a_member: 'conversation_not_found',
  reply_not_found: 'reply_not_found',
};

/** Answers to the sender alone are no conversation's. */
const SENDER_ONLY = 0;

/** Tells what became of a batch of drafts: the members of their conversations, or the sender alone. */
@Injectable()
export class MessageResultsService {
  constructor(
    private readonly members: MemberCacheService,
    private readonly delivery: BroadcasterService,
  ) {}

  /**
   * Messages of one conversation go out together. When that would bring a sender's answers out of the order of their
   * requests, what has been gathered goes first.
   */
  answer(batch: PendingMessage[], outcomes: Map<string, Outcome>, stamp: number): void {
    let gathered = new Map<number, Delivered[]>();
    let places = new Map<Connection, number>();
    for (const draft of batch) {
      const { from, request, nonce } = draft;
      const outcome = outcomes.get(nonce)!;
      // What "duplicate" finds of this very stamp is ours: an attempt whose answer was lost. Nobody has seen it yet.
      const isNew = outcome.kind === 'stored' || (outcome.kind === 'duplicate' && outcome.number === stamp);
      const place = isNew ? request.conversation_id : SENDER_ONLY;
      if ((places.get(from) ?? place) !== place) {
        this.deliver(gathered);
        gathered = new Map();
        places = new Map();
      }
      places.set(from, place);
      if (!isNew) from.send(privateText(draft, outcome));
      else gather(gathered, place, { text: messageText(draft, outcome, stamp), from, request_id: request.request_id });
    }
    this.deliver(gathered);
    for (const { done } of batch) done();
  }

  /** None of them could be stored. */
  refuse(batch: PendingMessage[], problem: Problem): void {
    for (const { from, request, done } of batch) {
      from.send(errorText('send_message', problem, request.request_id));
      done();
    }
  }

  private deliver(gathered: Map<number, Delivered[]>): void {
    for (const [id, delivered] of gathered) this.delivery.toMembers(this.members.of(id), delivered);
  }
}

function gather(gathered: Map<number, Delivered[]>, id: number, delivered: Delivered): void {
  const list = gathered.get(id);
  if (list) list.push(delivered);
  else gathered.set(id, [delivered]);
}

function privateText(draft: PendingMessage, outcome: Outcome): string {
  const { request_id } = draft.request;
  const code = REFUSALS[outcome.kind];
  if (code) return errorText('send_message', new Problem(code), request_id);
  return withRequestId(messageText(draft, outcome, outcome.number), request_id);
}

/** Written by hand: it is the one frame that is made thousands of times a second. */
function messageText({ request }: PendingMessage, { id, username }: Outcome, stamp: number): string {
  const { conversation_id, reply_id, content } = request;
  const sentAt = Math.floor(stamp / 1_000_000);
  return (
    `{"success":true,"type":"send_message","data":{"id":${id},"sender_username":"${username ?? TOMBSTONE}",` +
    `"conversation_id":${conversation_id},"reply_id":${reply_id ?? null},` +
    `"content":${JSON.stringify(content)},"sent_at":${sentAt}}}`
  );
}
