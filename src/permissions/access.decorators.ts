import { applyDecorators } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import { ApiBearerAuth, ApiExtension } from '@nestjs/swagger';
import type { ProblemCode } from '../http/problems/problem-catalogue.js';
import type { Permission } from './permissions.js';

/** The access of a route: `public`, or the permissions that its caller needs; an empty list means any signed-in user. */
export const Access = Reflector.createDecorator<'public' | Permission[]>();

/** Anyone may call this route, without a token. */
export const Public = (): MethodDecorator & ClassDecorator => applyDecorators(Access('public'));

/** Any signed-in user may call this route. Services restrict which rows the caller reaches. */
export const SignedIn = (): MethodDecorator & ClassDecorator => RequirePermissions();

/** Only callers with all of these permissions may call this route. Documented in OpenAPI as `x-permissions`. */
export const RequirePermissions = (...permissions: Permission[]): MethodDecorator & ClassDecorator =>
  applyDecorators(Access(permissions), ApiBearerAuth(), ApiExtension('x-permissions', permissions));

/** Documents problems that are specific to this route. Common ones follow from its access, body and parameters. */
export const ApiProblems = (...codes: ProblemCode[]): MethodDecorator => ApiExtension('x-problems', codes);
