import { Injectable } from '@nestjs/common';
import { SpanKind } from '@opentelemetry/api';
import { unavailable } from '../../http/problems/problem.js';
import { inSpan } from '../../tracing/tracing.js';
import { MetricsService } from '../../metrics/metrics.service.js';
import type { Connection } from '../connections/connection.js';
import { FollowedConversationsService } from '../delivery/followed-conversations.service.js';
import { GapRepairService } from '../delivery/gap-repair.service.js';
import { ATTACHMENTS_ONLY } from '../protocol/placeholders.js';
import { MessageBatchWriterService } from './message-batch-writer.service.js';
import { MessageDeliveryService, type QueuedMessage } from './message-delivery.service.js';
import type { SendMessageFrame } from './messages.dto.js';
import { nonceOf } from './nonce.js';

const MAX_WAITING = 20_000;
const MAX_WAITING_CHARACTERS = 32 * 1024 * 1024;
const MAX_BATCH = 500;
const MAX_BATCH_CHARACTERS = 1_000_000;

/**
 * Collects messages into batches and passes one batch at a time to the batch writer, in the order of arrival. A message
 * that arrives while a batch is being written goes into the next one; there is no timer.
 */
@Injectable()
export class MessageQueueService {
  private readonly waiting: QueuedMessage[] = [];
  private waitingCharacters = 0;
  private isRunning = false;

  constructor(
    private readonly writer: MessageBatchWriterService,
    private readonly delivery: MessageDeliveryService,
    private readonly followed: FollowedConversationsService,
    private readonly repair: GapRepairService,
    metrics: MetricsService,
  ) {
    metrics.gauge('machi_chat_messages_waiting', 'Messages that wait to be stored.', () => this.waiting.length);
  }

  /** Adds a message. Resolves once its request is answered; never rejects. Throws `busy` if too many messages wait. */
  add(requester: Connection, request: SendMessageFrame): Promise<void> {
    const isFull = this.waiting.length >= MAX_WAITING || this.waitingCharacters >= MAX_WAITING_CHARACTERS;
    if (isFull) throw unavailable('busy');
    const { conversation_id, reply_id, request_id: requestId } = request;
    const attachment_ids = request.attachments?.length ? request.attachments : null;
    const content = request.content === '' ? ATTACHMENTS_ONLY : request.content;
    const { participant_id: sender_id } = requester.session;
    const nonce = nonceOf(sender_id, request.nonce);
    const message = { conversation_id, sender_id, content, reply_id: reply_id ?? null, nonce, attachment_ids };
    this.waitingCharacters += content.length;
    return new Promise((onAnswered) => {
      this.waiting.push({ message, requester, requestId, onAnswered });
      if (!this.isRunning) void this.run();
    });
  }

  private async run(): Promise<void> {
    this.isRunning = true;
    await Promise.resolve(); // messages of the same tick form one batch
    while (this.waiting.length > 0) {
      const batch = this.takeBatch();
      const attributes = { 'machi.chat.messages': batch.length };
      await inSpan({ name: 'chat batch', kind: SpanKind.INTERNAL, attributes }, () => this.store(batch));
    }
    this.writer.resetOutage();
    this.isRunning = false;
  }

  private async store(batch: QueuedMessage[]): Promise<void> {
    const messages = batch.map(({ message }) => message);
    const { inFlight, isActive } = this.followed;
    if (isActive) for (const { nonce } of messages) inFlight.add(nonce);
    const result = await this.writer.append(messages);
    if (result.incomplete.length > 0) await this.repair.repair(result.incomplete);
    if (isActive) for (const { nonce } of messages) inFlight.delete(nonce);
    this.delivery.deliver(batch, result);
  }

  /**
   * A batch contains each nonce once. A repeated nonce goes into the next batch, which finds the stored message. A message with
   * attachments is a batch of its own.
   */
  private takeBatch(): QueuedMessage[] {
    const nonces = new Set<string>();
    let characters = 0;
    let count = 0;
    for (const { message } of this.waiting) {
      characters += message.content.length;
      const isFull = count === MAX_BATCH || (count > 0 && characters > MAX_BATCH_CHARACTERS);
      const isAlone = message.attachment_ids !== null;
      if (isFull || nonces.has(message.nonce) || (isAlone && count > 0)) break;
      nonces.add(message.nonce);
      count++;
      if (isAlone) break;
    }
    const batch = this.waiting.splice(0, count);
    for (const { message } of batch) this.waitingCharacters -= message.content.length;
    return batch;
  }
}
