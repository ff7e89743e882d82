import { Body, Controller, Get, HttpCode, Post, Query } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import { UuidParam } from '../../http/validation.js';
import { ApiProblems, SignedIn } from '../../permissions/access.decorators.js';
import { type Caller, CurrentUser } from '../../users/caller.js';
import { LotRecallsService } from './lot-recalls.service.js';
import { LotRecipientsPageDto, LotRecipientsQueryDto, RecallLotDto } from './lot-recalls.dto.js';
import { LotDto, toLotDto } from './lots.dto.js';

@ApiTags('vaccination')
@Controller('vaccination/lots')
@SignedIn()
export class LotRecallsController {
  constructor(private readonly recalls: LotRecallsService) {}

  /** Recalls a lot: no dose can be taken from it any more, and everyone who got it is told, once. */
  @Post(':id/recall')
  @ApiOperation({ operationId: 'recallLot' })
  @HttpCode(200)
  @ApiProblems('lot_not_found', 'forbidden')
  async recall(
    @CurrentUser() caller: Caller,
    @UuidParam('id') id: string,
    @Body() { reason }: RecallLotDto,
  ): Promise<LotDto> {
    return toLotDto(await this.recalls.recall(caller, id, reason));
  }

  /** Returns the doses of a recalled lot with the people who got them. Each read is written to the audit log. */
  @Get(':id/recipients')
  @ApiOperation({ operationId: 'listLotRecipients' })
  @ApiProblems('lot_not_found', 'forbidden', 'lot_not_recalled', 'invalid_cursor')
  listRecipients(
    @CurrentUser() caller: Caller,
    @UuidParam('id') id: string,
    @Query() query: LotRecipientsQueryDto,
  ): Promise<LotRecipientsPageDto> {
    return this.recalls.listRecipients(caller, id, query);
  }
}
