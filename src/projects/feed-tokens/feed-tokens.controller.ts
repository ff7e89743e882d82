import { Body, Controller, Delete, Get, HttpCode, Post } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import { Config } from '../../config/config.js';
import { UuidParam } from '../../http/validation.js';
import { ApiProblems, SignedIn } from '../../permissions/access.decorators.js';
import { type Caller, CurrentUser } from '../../users/caller.js';
import { CreateFeedTokenDto, type FeedTokenDto, FeedTokensDto, NewFeedTokenDto } from './feed-tokens.dto.js';
import type { FeedToken } from './feed-token.entity.js';
import { FeedTokensService } from './feed-tokens.service.js';

const toDto = ({ id, name, created_at }: FeedToken): FeedTokenDto => ({ id, name, created_at });

/** The caller's tokens for feed readers and comic readers. */
@ApiTags('feeds')
@Controller('me/feed-tokens')
export class FeedTokensController {
  constructor(
    private readonly tokens: FeedTokensService,
    private readonly config: Config,
  ) {}

  /** Returns the caller's feed tokens, without their secrets. */
  @Get()
  @ApiOperation({ operationId: 'listFeedTokens' })
  @SignedIn()
  async list(@CurrentUser() caller: Caller): Promise<FeedTokensDto> {
    return { items: (await this.tokens.list(caller)).map(toDto) };
  }

  /** Creates a feed token: with it, a program reads what the caller can read. */
  @Post()
  @ApiOperation({ operationId: 'createFeedToken' })
  @SignedIn()
  @ApiProblems('too_many_feed_tokens')
  async create(@CurrentUser() caller: Caller, @Body() { name }: CreateFeedTokenDto): Promise<NewFeedTokenDto> {
    const { row, token } = await this.tokens.create(caller, name);
    return { ...toDto(row), token, feed_url: `${this.config.publicUrl}/api/feeds/me/${token}` };
  }

  /** Revokes a feed token at once. */
  @Delete(':id')
  @ApiOperation({ operationId: 'removeFeedToken' })
  @SignedIn()
  @HttpCode(204)
  @ApiProblems('feed_token_not_found')
  remove(@CurrentUser() caller: Caller, @UuidParam('id') id: string): Promise<void> {
    return this.tokens.remove(caller, id);
  }
}
