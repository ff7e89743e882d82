import { describe, expect, it } from 'vitest';
import { readSourceFiles, type SourceFile, sourceFile } from '../support/source-files.js';

/** Folders of src/ from the bottom up. A folder imports from lower levels only, and not from others of its own level. */
const LEVELS = [
  ['common'],
  ['config'],
  ['tracing'],
  ['metrics'],
  ['http', 'database'],
  ['personal-data'], // every module with data about users registers it
  ['bus'],
  ['images', 'storage', 'mail', 'national-ids', 'rate-limit', 'permissions'],
  ['stored-images'],
  ['audit'], // its route requires a permission
  ['users'],
  ['groups'], // have users as members
  ['auth'],
  ['account'],
  ['avatars', 'chat', 'vaccination', 'projects'],
  ['compat'],
  ['health'],
  [''], // files directly in src/: main.ts, app.module.ts, ...
  ['cli'], // commands use the whole application
];

const CHAT_LEVELS = [
  ['chat/protocol'],
  ['chat/connections'],
  ['chat/delivery'],
  ['chat/presence'],
  ['chat/push'],
  ['chat/events'],
  ['chat/attachments', 'chat/contacts', 'chat/conversations', 'chat/messages', 'chat/uploads'],
  ['chat/search'],
  ['chat/blocks', 'chat/members', 'chat/message-changes', 'chat/sync'],
];

/** Imports against the direction, by file, with the folder they reach and the reason. */
const EXCEPTIONS: Record<string, { to: string[]; reason: string }> = {
  'database/data-source.ts': {
    to: ['*'],
    reason: 'lists every entity, because TypeORM needs them before the modules exist',
  },
};

const isExcepted = (file: string, to: string): boolean => {
  const reached = EXCEPTIONS[file]?.to ?? [];
  return reached.includes('*') || reached.includes(to);
};

const levelOf = (levels: string[][], folder: string): number => levels.findIndex((level) => level.includes(folder));

/** As `users/users.service.ts → auth`, for each import that does not go down. */
function wrongImports(files: SourceFile[]): string[] {
  return files.flatMap(({ path, module, imports }) =>
    [...new Set(imports.map((imported) => folderOf(imported)))]
      .filter((to) => to !== module && levelOf(LEVELS, to) >= levelOf(LEVELS, module) && !isExcepted(path, to))
      .map((to) => `${path} → ${to}`),
  );
}

function wrongChatImports(files: SourceFile[]): string[] {
  return files.flatMap(({ path, subFolder, imports }) =>
    [...new Set(imports.filter((imported) => !isForeignKey(path, imported)).map(twoFolders))]
      .filter((to) => subFolder?.startsWith('chat/') && to !== subFolder && to.startsWith('chat/'))
      .filter((to) => levelOf(CHAT_LEVELS, to) < 0 || levelOf(CHAT_LEVELS, to) >= levelOf(CHAT_LEVELS, subFolder!))
      .filter((to) => !isExcepted(path, to))
      .map((to) => `${path} → ${to}`),
  );
}

/** An entity may name the entity of a sibling: that is a foreign key. */
const isForeignKey = (path: string, imported: string): boolean =>
  path.endsWith('.entity.ts') && imported.endsWith('.entity.ts');

const twoFolders = (path: string): string => path.split('/').slice(0, 2).join('/');

const folderOf = (path: string): string => (path.includes('/') ? path.split('/')[0]! : '');

/** Sub-folders of a module that import each other, directly or through others, as `auth/a → auth/b → auth/a`. */
function subFolderCycles(files: SourceFile[], module: string): string[] {
  const edges = new Map<string, Set<string>>();
  for (const { path, subFolder, imports } of files.filter((file) => file.module === module)) {
    if (!subFolder) continue;
    const targets = imports
      .filter((imported) => imported.startsWith(`${module}/`) && imported.split('/').length > 2)
      .filter((imported) => !isForeignKey(path, imported));
    const known = edges.get(subFolder) ?? new Set<string>();
    for (const imported of targets) known.add(twoFolders(imported));
    known.delete(subFolder);
    edges.set(subFolder, known);
  }
  const cycles = new Set<string>();
  const visit = (folder: string, trail: string[]): void => {
    const start = trail.indexOf(folder);
    if (start >= 0) {
      const cycle = trail.slice(start);
      if (cycle[0] === cycle.toSorted()[0]) cycles.add([...cycle, folder].join(' → '));
      return;
    }
    for (const next of edges.get(folder) ?? []) visit(next, [...trail, folder]);
  };
  for (const folder of edges.keys()) visit(folder, []);
  return [...cycles];
}

describe('dependencies between the folders of src/', () => {
  const files = readSourceFiles();

  it('exist only for folders that have a level', () => {
    const unknown = files.map(({ module }) => module).filter((module) => levelOf(LEVELS, module) < 0);
    expect([...new Set(unknown)]).toEqual([]);
  });

  it('point from higher to lower levels, never to the same level', () => {
    expect(wrongImports(files)).toEqual([]);
  });

  it('point from higher to lower levels inside chat', () => {
    expect(wrongChatImports(files)).toEqual([]);
  });

  it.each(['http', 'auth', 'avatars', 'projects', 'vaccination'])(
    'form no cycle between the sub-folders of %s',
    (module) => {
      expect(subFolderCycles(files, module)).toEqual([]);
    },
  );

  it('have no exception that is not needed', () => {
    const isNeeded = (name: string, { to }: { to: string[] }): boolean => {
      const file = files.find(({ path }) => path === name);
      const reached = file?.imports.flatMap((path) => [folderOf(path), twoFolders(path)]) ?? [];
      return to.every((folder) => reached.includes(folder) || (folder === '*' && reached.length > 0));
    };
    expect(Object.keys(EXCEPTIONS).filter((name) => !isNeeded(name, EXCEPTIONS[name]!))).toEqual([]);
  });
});

describe('the dependency test', () => {
  const wrong = (path: string, imported: string): string[] =>
    wrongImports([sourceFile(path, `import { x } from '${imported}';`)]);

  it('finds an import of a higher level, of the same level, and of a file directly in src/', () => {
    expect(wrong('users/users.service.ts', '../auth/sessions/sessions.service.js')).toEqual([
      'users/users.service.ts → auth',
    ]);
    expect(wrong('avatars/avatars.service.ts', '../chat/events.js')).toEqual(['avatars/avatars.service.ts → chat']);
    expect(wrong('auth/sessions/device.ts', '../../app.js')).toEqual(['auth/sessions/device.ts → ']);
    expect(wrong('auth/sessions/device.ts', '../../users/user.entity.js')).toEqual([]);
  });

  it('finds a higher sub-folder of chat and a cycle in auth', () => {
    const chat = sourceFile('chat/protocol/event.ts', `import type { X } from '../messages/nonce.js';`);
    expect(wrongChatImports([chat])).toEqual(['chat/protocol/event.ts → chat/messages']);
    const cycle = [
      sourceFile('auth/a/x.ts', `import { y } from '../b/y.js';`),
      sourceFile('auth/b/y.ts', `const x = await import('../a/x.js');`),
    ];
    expect(subFolderCycles(cycle, 'auth')).toEqual(['auth/a → auth/b → auth/a']);
  });
});
