import { NestFactory } from '@nestjs/core';
import type { NestExpressApplication } from '@nestjs/platform-express';
import { randomUUID } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { pino } from 'pino';
import { configureApp, NEST_OPTIONS } from './app.js';
import { AppModule } from './app.module.js';
import { createAsyncApiDocument } from './chat/asyncapi.js';
import { HttpAdapter } from './http/http-adapter.js';
import { loadConfig } from './config/load-config.js';
import { newDataSource } from './database/data-source.js';
import { createErrorsPage } from './http/openapi/errors-page.js';
import { createOpenApiDocument } from './http/openapi/swagger.js';

// Writes openapi.json, asyncapi.json and docs/errors.md, or compares them with `--check`. In preview mode Nest creates no instances, so that
// no database is needed.
const config = loadConfig({ NODE_ENV: 'test', SECRET_KEY: randomUUID() });
const dataSource = newDataSource({ host: 'nowhere', port: 1, database: 'none', user: 'none' }, { size: 2 });
const options = { ...NEST_OPTIONS, preview: true, logger: false } as const;
const app = await NestFactory.create<NestExpressApplication>(
  AppModule.forRoot(config, dataSource),
  new HttpAdapter(),
  options,
);
configureApp(app, config, pino({ level: 'silent' }));
const toText = (document: object): string => `${JSON.stringify(document, null, 2)}\n`;
const documents = {
  'openapi.json': toText(createOpenApiDocument(app)),
  'asyncapi.json': toText(createAsyncApiDocument(app)),
  'docs/errors.md': createErrorsPage(),
};
for (const [file, text] of Object.entries(documents)) {
  if (!process.argv.includes('--check')) {
    writeFileSync(file, text);
  } else if (!existsSync(file) || readFileSync(file, 'utf8') !== text) {
    process.stderr.write(`${file} is out of date: run "npm run openapi" and commit it.\n`);
    process.exitCode = 1;
  }
}
