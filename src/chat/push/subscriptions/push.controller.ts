import { Body, Controller, Delete, Get, HttpCode, Post } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { UuidParam } from '../../../http/validation.js';
import { ApiProblems, Public, SignedIn } from '../../../permissions/access.decorators.js';
import { type Caller, CurrentUser } from '../../../users/caller.js';
import {
  CreatePushSubscriptionDto,
  keysOf,
  PushKeyDto,
  type PushSubscriptionDto as Subscription,
  PushSubscriptionDto,
  PushSubscriptionsDto,
} from './push.dto.js';
import type { PushSubscription } from './push-subscription.entity.js';
import { PushSubscriptionsService } from './push-subscriptions.service.js';

const toDto = ({ id, endpoint, session_id, created_at }: PushSubscription, caller: Caller): Subscription => ({
  id,
  service: new URL(endpoint).hostname,
  is_current: session_id === caller.session_id,
  created_at,
});

/** Web Push (RFC 8030) of messages to users who are not connected. */
@ApiTags('push')
@Controller('push')
export class PushController {
  constructor(private readonly subscriptions: PushSubscriptionsService) {}

  /** Returns the key with which browsers subscribe. */
  @Get('key')
  @ApiOperation({ operationId: 'getPushKey' })
  @Public()
  @ApiProblems('push_off')
  getKey(): PushKeyDto {
    return { public_key: this.subscriptions.getPublicKey() };
  }

  /**
   * Turns pushes on in the browser of this subscription, or renews it; repeating it changes nothing. It ends with the session of
   * this request. If another user has signed in on the same browser before, it moves to the caller. While the caller is not
   * connected to the chat, the browser gets each new message of a conversation of two, and messages of larger conversations that
   * mention the caller.
   */
  @Post('subscriptions')
  @ApiOperation({ operationId: 'createPushSubscription' })
  @SignedIn()
  @HttpCode(200)
  @ApiOkResponse({ type: PushSubscriptionDto })
  @ApiProblems('push_off', 'push_endpoint_taken', 'too_many_push_subscriptions')
  async create(
    @CurrentUser() caller: Caller,
    @Body() { endpoint, keys }: CreatePushSubscriptionDto,
  ): Promise<Subscription> {
    return toDto(await this.subscriptions.save(caller, { endpoint, ...keysOf(keys) }), caller);
  }

  /** Returns the browsers in which the caller has turned pushes on. */
  @Get('subscriptions')
  @ApiOperation({ operationId: 'listPushSubscriptions' })
  @SignedIn()
  async list(@CurrentUser() caller: Caller): Promise<PushSubscriptionsDto> {
    const subscriptions = await this.subscriptions.list(caller);
    return { items: subscriptions.map((subscription) => toDto(subscription, caller)) };
  }

  /** Turns pushes off in one browser. */
  @Delete('subscriptions/:id')
  @ApiOperation({ operationId: 'removePushSubscription' })
  @SignedIn()
  @HttpCode(204)
  @ApiProblems('push_subscription_not_found')
  remove(@CurrentUser() caller: Caller, @UuidParam('id') id: string): Promise<void> {
    return this.subscriptions.remove(caller, id);
  }
}
