import { describe, expect, it } from 'vitest';
import { readSourceFiles, type SourceFile, sourceFile } from '../support/source-files.js';

/** The decorators of a class that Nest or TypeORM finds, and the suffixes of the files they may stand in. */
const SUFFIXES: Record<string, string[]> = {
  Injectable: ['service', 'guard', 'gateway', 'strategy', 'filter', 'interceptor', 'pipe', 'worker', 'provider'],
  Controller: ['controller'],
  Module: ['module'],
  Entity: ['entity'],
  Catch: ['filter'],
  WebSocketGateway: ['gateway'],
};

/** Suffixes that do not become part of the class name: `user.entity.ts` exports `User`. */
const SILENT = ['entity'];
/** Suffixes that may become part of it: `clock.provider.ts` exports `Clock` or `ClockProvider`. */
const OPTIONAL = ['provider'];

/** Decorated classes in a file whose name does not agree, as `users/x.ts: @Injectable() class Y`. */
function misnamed({ path, code }: SourceFile): string[] {
  const [stem = '', suffix = ''] = path.split('/').at(-1)!.replace(/\.ts$/, '').split('.');
  const declared =
    /@(\w+)\((?:[^()]|\([^()]*\))*\)\s*(?:@\w+\((?:[^()]|\([^()]*\))*\)\s*)*export (?:abstract )?class (\w+)/g;
  return [...code.matchAll(declared)].flatMap(([, decorator, name]) => {
    const allowed = SUFFIXES[decorator!];
    if (!allowed) return [];
    const agrees = allowed.includes(suffix) && namesOf(stem, suffix).includes(name!.toLowerCase());
    return agrees ? [] : [`${path}: @${decorator}() class ${name}`];
  });
}

function namesOf(stem: string, suffix: string): string[] {
  const base = stem.replaceAll('-', '');
  const long = `${base}${suffix}`;
  if (SILENT.includes(suffix)) return [base];
  return OPTIONAL.includes(suffix) ? [base, long] : [long];
}

describe('names of files and classes', () => {
  const files = readSourceFiles();

  it('agree, and each kind of class stands in a file of its kind', () => {
    expect(files.flatMap(misnamed)).toEqual([]);
  });

  it('agree in every file whose suffix announces a class', () => {
    const announcing = Object.values(SUFFIXES).flat();
    const silent = files.filter(({ path, code }) => {
      const [stem = '', suffix = ''] = path.split('/').at(-1)!.replace(/\.ts$/, '').split('.');
      if (!announcing.includes(suffix)) return false;
      const classes = [...code.matchAll(/export (?:abstract )?class (\w+)/g)].map(([, name]) => name!.toLowerCase());
      return !namesOf(stem, suffix).some((name) => classes.includes(name));
    });
    expect(silent.map(({ path }) => path)).toEqual([]);
  });

  it('are unique for DTOs, because OpenAPI keeps one schema per name', () => {
    const names = files.flatMap(({ code }) => [...code.matchAll(/export class (\w+Dto)\b/g)].map(([, name]) => name));
    expect(names.filter((name, index) => names.indexOf(name) !== index)).toEqual([]);
  });
});

it('the name test finds a service in a plain file and a class that does not agree with its file', () => {
  const service = '@Injectable()\nexport class SessionsService {}';
  expect(misnamed(sourceFile('auth/sessions.ts', service))).toHaveLength(1);
  expect(misnamed(sourceFile('auth/logins.service.ts', service))).toHaveLength(1);
  expect(misnamed(sourceFile('auth/sessions.service.ts', service))).toEqual([]);
  expect(misnamed(sourceFile('common/clock.provider.ts', '@Injectable()\nexport class Clock {}'))).toEqual([]);
  expect(misnamed(sourceFile('users/users.entity.ts', "@Entity('users')\nexport class User {}"))).toHaveLength(1);
});
