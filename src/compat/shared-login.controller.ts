import { Body, Controller, HttpCode, Optional, Post, Req, Res, UseFilters, UseInterceptors } from '@nestjs/common';
import {
  ApiBody,
  ApiExtension,
  ApiExtraModels,
  ApiOperation,
  ApiResponse,
  ApiTags,
  getSchemaPath,
} from '@nestjs/swagger';
import type { Request, Response } from 'express';
import { deviceOf } from '../auth/sessions/device.js';
import { presentedTokens } from '../auth/tokens/request-tokens.js';
import { AcceptsBody } from '../http/bodies/body.guard.js';
import type { ProblemCode } from '../http/problems/problem-catalogue.js';
import { schemaOf, toExample } from '../http/openapi/problem-schemas.js';
import { Public } from '../permissions/access.decorators.js';
import { AnyJsonInterceptor } from './any-json.interceptor.js';
import { ChatappLoginDto } from './chatapp/chatapp.dto.js';
import { ChatappService } from './chatapp/chatapp.service.js';
import { CHATAPP_ERRORS, plainText } from './chatapp/plain-text.filter.js';
import { KitsuCredentialsDto, KitsuTokensDto } from './kitsu/kitsu.dto.js';
import { KitsuService } from './kitsu/kitsu.service.js';
import { isKitsuLogin, SharedLoginFilter } from './shared-login.filter.js';

const EMAIL_ERROR = { path: 'email', message: 'email must be a string' };

/** The anime site's problems, and the chat app's texts for the same status, if it has any. */
const errorsOf = (texts: string[], ...codes: ProblemCode[]) => ({
  description: [...texts, ...codes].join(' | '),
  content: {
    ...(texts.length > 0 ? plainText(texts).content : {}),
    'application/problem+json': {
      schema: schemaOf(codes),
      examples: Object.fromEntries(codes.map((code) => [code, { value: toExample(code, EMAIL_ERROR) }])),
    },
  },
});

/** The sign-in route that the chat app and the anime site share. The fields of the body decide which one is called. */
@Controller('auth/login')
@Public()
@UseFilters(SharedLoginFilter)
export class SharedLoginController {
  constructor(
    @Optional() private readonly chatapp?: ChatappService,
    @Optional() private readonly kitsu?: KitsuService,
  ) {}

  /**
   * Signs in at the anime site or at the chat app: at the anime site with an `email` and no `username`, else at the chat app,
   * which sets the identity token as the cookie `login-token` and answers in plain text.
   */
  @Post()
  @HttpCode(202)
  @AcceptsBody('any')
  @UseInterceptors(AnyJsonInterceptor)
  @ApiTags('chatapp')
  @ApiOperation({ operationId: 'loginAtChatappOrKitsu' })
  @ApiExtraModels(ChatappLoginDto, KitsuCredentialsDto)
  @ApiBody({
    schema: { anyOf: [{ $ref: getSchemaPath(ChatappLoginDto) }, { $ref: getSchemaPath(KitsuCredentialsDto) }] },
  })
  @ApiExtension('x-own-errors', true)
  @ApiResponse({ status: 200, description: 'Signed in at the anime site.', type: KitsuTokensDto })
  @ApiResponse({ status: 202, ...plainText(['login successful']) })
  @ApiResponse({ status: 400, ...errorsOf(CHATAPP_ERRORS[400], 'invalid_text', 'body_too_complex') })
  @ApiResponse({
    status: 401,
    ...errorsOf(['mismatch username and password'], 'invalid_credentials', 'two_step_required'),
  })
  @ApiResponse({ status: 403, ...errorsOf(CHATAPP_ERRORS[403], 'foreign_origin') })
  @ApiResponse({ status: 413, ...plainText(CHATAPP_ERRORS[413]) })
  @ApiResponse({ status: 415, ...plainText(CHATAPP_ERRORS[415]) })
  @ApiResponse({ status: 422, ...errorsOf([], 'validation_failed') })
  @ApiResponse({ status: 429, ...errorsOf(CHATAPP_ERRORS[429], 'rate_limited') })
  @ApiResponse({ status: 503, ...errorsOf(CHATAPP_ERRORS[503], 'busy', 'database_unavailable') })
  async login(
    @Body() body: object,
    @Req() request: Request,
    @Res({ passthrough: true }) response: Response,
  ): Promise<string | KitsuTokensDto> {
    const { chatapp, kitsu } = this;
    const earlierTokens = presentedTokens(request);
    if (kitsu && (!chatapp || isKitsuLogin(body))) {
      response.status(200);
      return kitsu.login(body, deviceOf(request, 'kitsu'), earlierTokens);
    }
    response.set('set-cookie', await chatapp!.login(body, deviceOf(request, 'chatapp'), earlierTokens));
    response.type('text/plain; charset=utf-8');
    return 'login successful';
  }
}
