import 'reflect-metadata';
import { IsInt, IsOptional, MaxLength, ValidateIf, validateSync } from 'class-validator';
import { describe, expect, it } from 'vitest';
import { SendMessageFrame } from '../messages/messages.dto.js';
import { IsId, IsOptionalText } from './field-decorators.js';
import { RequestFrame } from './request-frame.dto.js';
import { toRequest } from './request-parser.js';

class Parameters extends RequestFrame {
  @MaxLength(3) name: string;
}
class Optional extends RequestFrame {
  @IsOptional() @IsInt() count?: number;
}
class Conditional extends RequestFrame {
  @IsId() @ValidateIf((_, value) => value !== 'all') id: number | string;
}
class ListOf extends RequestFrame {
  @IsOptionalText(3) text?: string;
  @IsInt({ each: true }) ids: number[];
}
class Empty {}

const VALUES = [undefined, null, 0, 1, -1, 1.5, '', 'abc', 'abcd', 'all', '\u0000', '1', true, {}, [], [1], ['a'], NaN];
const IDS = ['0199c2a4-5b1e-7c3f-8f21-3d5a9b7c1e42'];

describe('toRequest', () => {
  it.each([
    [Parameters, ['name']],
    [Optional, ['count']],
    [Conditional, ['id']],
    [ListOf, ['text', 'ids']],
    [Empty, ['name']],
    [SendMessageFrame, ['conversation_id', 'content', 'reply_id', 'nonce', 'attachments', 'request_id']],
  ])('accepts what class-validator accepts for %o, and nothing else', (dto, names) => {
    const valid = { conversation_id: 1, content: 'text', attachments: IDS, text: 'abc', ids: [1] };
    let accepted = 0;
    for (const changed of names) {
      for (const value of VALUES) {
        const fields: Record<string, unknown> = { ...valid, [changed]: value };
        const request = Object.assign(new dto(), Object.fromEntries(names.map((name) => [name, fields[name]])));
        const isValid = validateSync(request).length === 0;
        if (isValid) accepted++;
        let isAccepted = true;
        try {
          toRequest(dto, fields);
        } catch {
          isAccepted = false;
        }
        expect([changed, value, isAccepted]).toEqual([changed, value, isValid]);
      }
    }
    expect(accepted > 0).toBe(dto !== Empty);
  });
});
