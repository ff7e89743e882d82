import { type INestApplication } from '@nestjs/common';
import { Router } from 'express';
import helmet from 'helmet';
import { readFileSync } from 'node:fs';
import { createAsyncApiDocument } from './asyncapi.js';
import { chatPage } from './chat-page.js';

const DIRECTIVES = {
  defaultSrc: ["'none'"],
  scriptSrc: ["'self'"],
  styleSrc: ["'self'"],
  connectSrc: ["'self'"],
  baseUri: ["'none'"],
  formAction: ["'none'"],
  frameAncestors: ["'none'"],
};

const readAsset = (name: string): string => readFileSync(new URL(name, import.meta.url), 'utf8');

/** The routes below /docs that describe the chat: its page, the page's files, and asyncapi.json. */
export function chatDocs(app: INestApplication, basePath: string): Router {
  const router = Router();
  const [css, script] = [readAsset('chat-page.css'), readAsset('chat-page.client.js')];
  const csp = helmet.contentSecurityPolicy({ useDefaults: false, directives: DIRECTIVES });
  router.get('/chat', csp, (_, response) =>
    response.type('html').send(chatPage(createAsyncApiDocument(app), basePath)),
  );
  router.get('/chat.css', (_, response) => response.type('css').send(css));
  router.get('/chat.js', (_, response) => response.type('js').send(script));
  router.get('/chat-json', (_, response) => response.json(createAsyncApiDocument(app)));
  return router;
}
