import { NotFoundException } from '@nestjs/common';
import { EntityNotFoundError, QueryFailedError } from 'typeorm';
import { describe, expect, it } from 'vitest';
import { serializeError } from './logger.js';
import { Problem } from './problem.js';
import { mapToProblem } from './problem-mapping.js';

const database = (fields: object, message = 'message of the server') => Object.assign(new Error(message), fields);
const query = (fields: object) => new QueryFailedError('select $1', ['a secret'], database(fields));

describe('a failure becomes', () => {
  it.each<[string, unknown, number, string]>([
    ['itself, being a problem', new Problem('forbidden'), 403, 'forbidden'],
    ['404: no such entity', new EntityNotFoundError(class Thing {}, {}), 404, 'not_found'],
    ['409: unique', query({ code: '23505' }), 409, 'already_exists'],
    ['409: a unique constraint of ours', query({ code: '23505', constraint: 'users_email_key' }), 409, 'email_taken'],
    [
      '409: unique, of the pool itself',
      database({ code: '23505', constraint: 'groups_name_key' }),
      409,
      'group_name_taken',
    ],
    ['404: a foreign key', query({ code: '23503', constraint: 'group_members_user_id_fkey' }), 404, 'user_not_found'],
    ['400: bad data', query({ code: '22P02' }), 400, 'invalid_value'],
    ['400: a check', query({ code: '23514' }), 400, 'invalid_value'],
    ['409: the last administrator', query({ code: 'MA001' }), 409, 'last_administrator'],
    ['503: a deadlock', query({ code: '40P01' }), 503, 'busy'],
    ['503: a statement time-out', query({ code: '57014' }), 503, 'busy'],
    ['503: a server that shuts down', query({ code: '57P01' }), 503, 'database_unavailable'],
    ['503: no connection left', query({ code: '53300' }), 503, 'database_unavailable'],
    ['503: refused', database({ code: 'ECONNREFUSED' }), 503, 'database_unavailable'],
    ['503: cut', database({}, 'Connection terminated unexpectedly'), 503, 'database_unavailable'],
    ['503: no answer', database({}, 'Query read timeout'), 503, 'database_unavailable'],
    ['500: bad SQL', query({ code: '42601' }), 500, 'internal_error'],
    ['404: no route', new NotFoundException('Cannot GET /x'), 404, 'route_not_found'],
    ['400: a broken escape in the path', new URIError('URI malformed'), 400, 'bad_request'],
    ['500: a defect', new TypeError("Cannot read properties of undefined (reading 'x')"), 500, 'internal_error'],
    ['500: what is no error at all', 'thrown text', 500, 'internal_error'],
    ['500: nothing', undefined, 500, 'internal_error'],
  ])('%s', (_, error, status, code) => {
    const problem = mapToProblem(error);
    expect([problem.getStatus(), problem.code]).toEqual([status, code]);
    expect(JSON.stringify(problem.toBody())).not.toMatch(/select|message of the server|Cannot|secret|thrown/);
  });
});

it('an error in the log holds neither parameters nor details', () => {
  const error = query({ code: '23505', detail: 'Key (email)=(a@example.org) already exists.' });
  expect(JSON.stringify(serializeError(error))).not.toMatch(/a secret|a@example\.org/);
});
