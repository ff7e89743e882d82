import { applyDecorators, type ExecutionContext, SetMetadata } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import { ApiExtension } from '@nestjs/swagger';
import type { Quota } from './quotas.js';

const QUOTA = Symbol('quota');

/** Exempts the routes of a controller from the limit on all requests. */
export const SkipRequestLimit = Reflector.createDecorator<true>();

/**
 * Exempts a route from the limit on the changes of a user: one that has a limit of its own, or one that ends an intruder's
 * access, which the intruder could block by using the limit up.
 */
export const SkipChangeLimit = Reflector.createDecorator<true>();

/**
 * Limits how often a client's network may call this route. Routes with the same quota share one count. Documents the
 * answer 429 `rate_limited` with its headers.
 */
export const RateLimit = (quota: Quota): MethodDecorator =>
  applyDecorators(SetMetadata(QUOTA, quota), ApiExtension('x-quota', quota.name));

/** The quota that a route declares. */
export const quotaOf = (context: ExecutionContext): Quota | undefined =>
  Reflect.getMetadata(QUOTA, context.getHandler()) as Quota | undefined;
