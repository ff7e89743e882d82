import { Controller, Get, Header, StreamableFile } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiParam, ApiTags, getSchemaPath, ApiExtraModels } from '@nestjs/swagger';
import { Readable } from 'node:stream';
import { ApiProblems, SignedIn } from '../../permissions/access.decorators.js';
import { EXPORTS_QUOTA } from '../../rate-limit/quotas.js';
import { type Caller, CurrentUser } from '../../users/caller.js';
import { ChatQuotasService } from '../connections/chat-quotas.service.js';
import { ParticipantsService } from '../connections/participants.service.js';
import { ConversationsService } from '../conversations/conversations.service.js';
import { MessagesService } from '../messages/messages.service.js';
import { ConversationIdParam } from '../protocol/path-parameters.js';
import { ConversationExportDto } from './sync.dto.js';

const PAGE_SIZE = 500;

/** Exports of conversations. */
@ApiTags('chat')
@Controller('chat/conversations/:conversation/export')
export class ExportController {
  constructor(
    private readonly conversations: ConversationsService,
    private readonly messages: MessagesService,
    private readonly participants: ParticipantsService,
    private readonly quotas: ChatQuotasService,
  ) {}

  /**
   * Returns a conversation with its members and all messages that the caller may see, newest first, as one JSON object that is
   * sent while it is read. It breaks off if the caller stops being a member meanwhile.
   */
  @Get()
  @ApiOperation({ operationId: 'exportConversation' })
  @ApiParam({ name: 'conversation', schema: { type: 'integer', minimum: 1 }, example: 12 })
  @SignedIn()
  @Header('Content-Type', 'application/json; charset=utf-8')
  @Header('Content-Disposition', 'attachment; filename="conversation.json"')
  @ApiExtraModels(ConversationExportDto)
  @ApiOkResponse({
    description: 'The conversation.',
    content: { 'application/json': { schema: { $ref: getSchemaPath(ConversationExportDto) } } },
  })
  @ApiProblems('conversation_not_found', 'rate_limited')
  async export(@CurrentUser() { id }: Caller, @ConversationIdParam() conversation: number): Promise<StreamableFile> {
    await this.quotas.consume(EXPORTS_QUOTA, id);
    const participant_id = await this.participants.getId(id);
    const { name, members } = await this.conversations.get({ participant_id }, conversation);
    const head = JSON.stringify({ id: conversation, name, members }).slice(0, -1);
    return new StreamableFile(Readable.from(this.write(participant_id, conversation, `${head},"messages":[`)));
  }

  /** Holds one page of messages at a time, and no database connection between pages. */
  private async *write(participantId: number, conversationId: number, head: string): AsyncGenerator<string> {
    yield head;
    let before: number | undefined;
    for (;;) {
      const page = await this.messages.listFull(participantId, conversationId, before, PAGE_SIZE);
      const text = page.map((message) => JSON.stringify(message)).join(',\n');
      yield before !== undefined && page.length > 0 ? `,\n${text}` : text;
      if (page.length < PAGE_SIZE) break;
      before = page.at(-1)!.id;
    }
    yield ']}';
  }
}
