import type { NestExpressApplication } from '@nestjs/platform-express';
import { static as serveFolder } from 'express';
import helmet from 'helmet';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from '../common/version.js';

const DIRECTIVES = {
  defaultSrc: ["'none'"],
  scriptSrc: ["'self'"],
  styleSrc: ["'self'"],
  imgSrc: ["'self'"],
  connectSrc: ["'self'"],
  formAction: ["'none'"],
  baseUri: ["'none'"],
  frameAncestors: ["'none'"],
};

/** The page and the built client that it uses. Checkouts have both, images do not. */
const FOLDERS = { page: join(packageRoot(), 'examples/web'), client: join(packageRoot(), 'clients/typescript/dist') };

export const hasExample = (): boolean => Object.values(FOLDERS).every((folder) => existsSync(folder));

/** Serves `examples/web` at `/example`. */
export function setupExample(app: NestExpressApplication): void {
  app.use('/example', helmet.contentSecurityPolicy({ useDefaults: false, directives: DIRECTIVES }));
  app.use('/example/client', serveFolder(FOLDERS.client, { index: false }));
  app.use('/example', serveFolder(FOLDERS.page));
}
