import type { INestApplication, Type } from '@nestjs/common';
import { METHOD_METADATA, PATH_METADATA } from '@nestjs/common/constants.js';
import { RequestMethod } from '@nestjs/common';
import { MetadataScanner, ModulesContainer, Reflector } from '@nestjs/core';
import { Access } from '../../../src/permissions/access.decorators.js';

export interface Route {
  /** As `GET /api/users/:id`. */
  name: string;
  /** What the route declares; undefined when it declares nothing. */
  access: 'public' | string[] | undefined;
}

/** Every HTTP route of the application, or of one module, by what Nest itself knows. */
export function routesOf(app: INestApplication, only?: Type): Route[] {
  const controllers = [...app.get(ModulesContainer).values()]
    .filter(({ metatype }) => only === undefined || metatype === only)
    .flatMap((module) => [...module.controllers.values()]);
  return controllers.flatMap(({ instance, metatype }) => {
    const handlers = new MetadataScanner().getAllMethodNames(Object.getPrototypeOf(instance) as object);
    return handlers
      .map((name) => (instance as Record<string, object>)[name]!)
      .filter((handler) => Reflect.hasMetadata(METHOD_METADATA, handler))
      .flatMap((handler) => {
        const access = new Reflector().getAllAndOverride(Access, [handler as () => void, metatype as () => void]);
        const method = RequestMethod[Reflect.getMetadata(METHOD_METADATA, handler) as number];
        return pathsOf(metatype!, handler).map((path) => ({ name: `${method} ${path}`, access }));
      });
  });
}

/** A handler may have several. */
function pathsOf(controller: object, handler: object): string[] {
  const [prefix, own] = [controller, handler].map(
    (target) => Reflect.getMetadata(PATH_METADATA, target) as string | string[],
  );
  return [own!].flat().map((path) => {
    const parts = [prefix as string, path].map((part) => part.replaceAll(/^\/|\/$/g, '')).filter(Boolean);
    return ['', ...(parts[0] === '.well-known' ? [] : ['api']), ...parts].join('/');
  });
}
