import { NotFoundException } from '@nestjs/common';
import { EntityNotFoundError, QueryFailedError } from 'typeorm';
import { describe, expect, it } from 'vitest';
import { serializeError } from '../log/logger.js';
import { Problem } from './problem.js';
import { mapToProblem } from './problem-mapping.js';

const database = (fields: object, message = 'message of the server') => Object.assign(new Error(message), fields);
const query = (fields: object) => new QueryFailedError('select $1', ['a secret'], database(fields));

describe('mapToProblem', () => {
  it.each<[string, number, string, unknown]>([
    ['a problem', 403, 'forbidden', new Problem('forbidden')],
    ['a missing entity', 404, 'not_found', new EntityNotFoundError(class Thing {}, {})],
    ['a unique violation', 409, 'already_exists', query({ code: '23505' })],
    [
      'a violation of a unique constraint of ours',
      409,
      'email_taken',
      query({ code: '23505', constraint: 'users_email_key' }),
    ],
    [
      'a violation that the pool itself reports',
      409,
      'group_name_taken',
      database({ code: '23505', constraint: 'groups_name_key' }),
    ],
    [
      'a violation of a foreign key',
      404,
      'user_not_found',
      query({ code: '23503', constraint: 'group_members_user_id_fkey' }),
    ],
    ['data with an invalid format', 400, 'invalid_value', query({ code: '22P02' })],
    ['a violation of a check constraint', 400, 'invalid_value', query({ code: '23514' })],
    ['the removal of the last administrator', 409, 'last_administrator', query({ code: 'MA001' })],
    ['a deadlock', 503, 'busy', query({ code: '40P01' })],
    ['a statement timeout', 503, 'busy', query({ code: '57014' })],
    ['a server that shuts down', 503, 'database_unavailable', query({ code: '57P01' })],
    ['a server without free connections', 503, 'database_unavailable', query({ code: '53300' })],
    ['a server whose disk fails', 503, 'database_unavailable', query({ code: '58P01' })],
    ['a full notification queue', 503, 'database_unavailable', query({ code: '54000', routine: 'PreCommit_Notify' })],
    ['a statement beyond a limit of the server', 500, 'internal_error', query({ code: '54000' })],
    ['a refused connection', 503, 'database_unavailable', database({ code: 'ECONNREFUSED' })],
    ['a server whose machine is down', 503, 'database_unavailable', database({ code: 'EHOSTUNREACH' })],
    ['a password that the server refuses', 503, 'database_unavailable', database({ code: '28P01' })],
    ['a missing database', 503, 'database_unavailable', database({ code: '3D000' })],
    ['a missing socket', 503, 'database_unavailable', database({ code: 'ENOENT', syscall: 'connect' })],
    ['no free descriptor', 503, 'database_unavailable', database({ code: 'EMFILE', syscall: 'connect' })],
    ['a full queue of a socket', 503, 'database_unavailable', database({ code: 'EAGAIN', syscall: 'connect' })],
    ['no free port', 503, 'database_unavailable', database({ code: 'EADDRNOTAVAIL', syscall: 'connect' })],
    ['a missing file', 500, 'internal_error', database({ code: 'ENOENT', syscall: 'open' })],
    ['a lost connection', 503, 'database_unavailable', database({}, 'Connection terminated unexpectedly')],
    ['a query timeout', 503, 'database_unavailable', database({}, 'Query read timeout')],
    ['invalid SQL', 500, 'internal_error', query({ code: '42601' })],
    ['an unknown route', 404, 'route_not_found', new NotFoundException('Cannot GET /x')],
    ['an invalid escape in the path', 400, 'bad_request', new URIError('URI malformed')],
    ['a defect', 500, 'internal_error', new TypeError("Cannot read properties of undefined (reading 'x')")],
    ['a thrown text', 500, 'internal_error', 'thrown text'],
    ['a thrown undefined', 500, 'internal_error', undefined],
  ])('maps %s to %i %s without internal details', (_, status, code, error) => {
    const problem = mapToProblem(error);
    expect([problem.getStatus(), problem.code]).toEqual([status, code]);
    expect(JSON.stringify(problem.toBody())).not.toMatch(/select|message of the server|Cannot|secret|thrown/);
  });
});

it('serializeError omits parameters and details of database errors', () => {
  const error = query({ code: '23505', detail: 'Key (email)=(a@example.org) already exists.' });
  expect(JSON.stringify(serializeError(error))).not.toMatch(/a secret|a@example\.org/);
});
