import { Param, type PipeTransform } from '@nestjs/common';
import { Problem } from '../../http/problems/problem.js';
import { USERNAME } from '../../users/users.dto.js';

const ID = /^[1-9]\d{0,14}$/;

const toUsername: PipeTransform<string, string> = {
  transform(value) {
    if (!USERNAME.test(value)) throw new Problem('user_not_found');
    return value;
  },
};

const toConversationId: PipeTransform<string, number> = {
  transform(value) {
    if (!ID.test(value)) throw new Problem('conversation_not_found');
    return Number(value);
  },
};

const toMessageId: PipeTransform<string, number> = {
  transform(value) {
    if (!ID.test(value)) throw new Problem('message_not_found');
    return Number(value);
  },
};

/** A path parameter `username`. Throws `user_not_found` if no user can have this name. */
export const UsernameParam = (): ParameterDecorator => Param('username', toUsername);

/** A path parameter `conversation`, an id. Throws `conversation_not_found` if no conversation can have this id. */
export const ConversationIdParam = (): ParameterDecorator => Param('conversation', toConversationId);

/** A path parameter `message`, an id. Throws `message_not_found` if no message can have this id. */
export const MessageIdParam = (): ParameterDecorator => Param('message', toMessageId);
