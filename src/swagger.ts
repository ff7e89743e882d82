import type { INestApplication } from '@nestjs/common';
import type { NestExpressApplication } from '@nestjs/platform-express';
import { DocumentBuilder, type OpenAPIObject, SwaggerModule } from '@nestjs/swagger';
import type { Request, Response } from 'express';
import helmet from 'helmet';
import { createAsyncApiDocument } from './chat/asyncapi.js';
import { documentProblems } from './http/problem.openapi.js';
import { VERSION } from './common/version.js';
import type { Config } from './config/config.js';

const INTRODUCTION = `One backend for a community: who people are, what they may do, where they are signed in.

Every failure is \`application/problem+json\` with a stable \`code\`; every answer carries \`X-Request-Id\`.
Sign in with \`POST /api/sessions\`, then press **Authorize** and paste the \`identity_token\`.`;

export function createOpenApiDocument(app: INestApplication): OpenAPIObject {
  const info = new DocumentBuilder()
    .setTitle('Machi')
    .setVersion(VERSION)
    .setDescription(INTRODUCTION)
    .addBearerAuth({ type: 'http', scheme: 'bearer', bearerFormat: 'JWT', description: 'The identity token.' })
    .addTag('sessions', 'Signing in and out')
    .addTag('users', 'People and their profiles')
    .addTag('two-step sign-in', 'A code as the second step of signing in')
    .addTag('passkeys', 'Signing in without a password')
    .addTag('avatars', 'Faces, and who looks at them first')
    .addTag('groups', 'Who may do what')
    .addTag('chat', 'Talking to each other')
    .addTag('audit', 'Who did what')
    .addTag('compat', 'The documented routes of the systems that Machi replaces')
    .addTag('health', 'Whether Machi is well')
    .build();
  return documentProblems(SwaggerModule.createDocument(app, info, { autoTagControllers: false }));
}

/** Swagger UI at `/docs`, its document at `/docs-json`, the chat's beside it; the bare host leads there. */
export function setupSwagger(app: NestExpressApplication, config: Config): void {
  const directives = {
    defaultSrc: ["'none'"],
    scriptSrc: ["'self'"],
    styleSrc: ["'self'", "'unsafe-inline'"],
    imgSrc: ["'self'", 'data:', 'blob:'], // blob: pictures among the answers
    connectSrc: ["'self'"],
    frameAncestors: ["'none'"],
  };
  app.use(['/docs'], helmet.contentSecurityPolicy({ useDefaults: false, directives }));
  app.use(/^\/$/, (_: Request, response: Response) => response.redirect(302, '/docs'));
  app.use('/docs/chat-json', (_: Request, response: Response) => response.json(createAsyncApiDocument(app)));
  SwaggerModule.setup('docs', app, () => createOpenApiDocument(app), {
    customSiteTitle: `${config.APP_NAME} API`,
    swaggerOptions: { persistAuthorization: true, displayRequestDuration: true },
  });
}
