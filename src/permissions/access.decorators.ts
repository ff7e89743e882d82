import { applyDecorators } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import { ApiBearerAuth, ApiExtension } from '@nestjs/swagger';
import type { ProblemCode } from '../http/problem-catalogue.js';
import type { Permission } from './permissions.js';

/** What a route demands: `public`, or the permissions that its caller must all hold ([]: any signed-in user). */
export const Access = Reflector.createDecorator<'public' | Permission[]>();

/** Anyone may call this route. */
export const Public = (): MethodDecorator & ClassDecorator => applyDecorators(Access('public'));

/** Any signed-in user may call this route; whose things they reach is the service's business. */
export const SignedIn = (): MethodDecorator & ClassDecorator => RequirePermissions();

/** Only callers who hold all of these may call this route; written into the API document as `x-permissions`. */
export const RequirePermissions = (...permissions: Permission[]): MethodDecorator & ClassDecorator =>
  applyDecorators(Access(permissions), ApiBearerAuth(), ApiExtension('x-permissions', permissions));

/** The problems that only this route has; the common ones follow from its access, body and parameters. */
export const ApiProblems = (...codes: ProblemCode[]): MethodDecorator => ApiExtension('x-problems', codes);
