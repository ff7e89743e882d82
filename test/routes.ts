import type { INestApplication } from '@nestjs/common';
import { METHOD_METADATA, PATH_METADATA } from '@nestjs/common/constants.js';
import { RequestMethod } from '@nestjs/common';
import { MetadataScanner, ModulesContainer, Reflector } from '@nestjs/core';
import { Access } from '../src/permissions/access.js';

export interface Route {
  /** As `GET /api/users/:id`. */
  name: string;
  /** What the route declares; undefined when it declares nothing. */
  access: 'public' | string[] | undefined;
}

/** Every HTTP route of the application, by what Nest itself knows. */
export function routesOf(app: INestApplication): Route[] {
  const controllers = [...app.get(ModulesContainer).values()].flatMap((module) => [...module.controllers.values()]);
  return controllers.flatMap(({ instance, metatype }) => {
    const handlers = new MetadataScanner().getAllMethodNames(Object.getPrototypeOf(instance) as object);
    return handlers
      .map((name) => (instance as Record<string, object>)[name]!)
      .filter((handler) => Reflect.hasMetadata(METHOD_METADATA, handler))
      .map((handler) => ({
        name: `${RequestMethod[Reflect.getMetadata(METHOD_METADATA, handler) as number]} ${pathOf(metatype!, handler)}`,
        access: new Reflector().getAllAndOverride(Access, [handler as () => void, metatype as () => void]),
      }));
  });
}

function pathOf(controller: object, handler: object): string {
  const parts = [controller, handler].map((target) => Reflect.getMetadata(PATH_METADATA, target) as string);
  const path = parts.map((part) => part.replaceAll(/^\/|\/$/g, '')).filter(Boolean);
  return ['', ...(path[0] === '.well-known' ? [] : ['api']), ...path].join('/');
}
