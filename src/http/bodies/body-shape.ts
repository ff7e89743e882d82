import { Problem, validationFailed } from '../problems/problem.js';

const MAX_DEPTH = 32;
const MAX_KEYS = 1000;

/** Whether PostgreSQL can store a text: it has no NUL and no lone surrogates. */
export const isStorable = (text: string): boolean => text.isWellFormed() && !text.includes('\0');

/** Rejects names that every object has, because class-validator regards them as known. Throws `validation_failed`. */
export function assertKey(key: string): void {
  if (!(key in Object.prototype) && key !== 'prototype') return;
  throw validationFailed([{ path: key, message: `property ${key} should not exist` }]);
}

/**
 * Checks a parsed body before other code recurses into it: its depth, number of keys, names and texts. Works level by
 * level, so that a deeply nested body does not exhaust the stack. Throws `body_too_complex`, `invalid_text`,
 * `validation_failed`.
 */
export function assertShape(body: object): void {
  let keys = 0;
  let level: object[] = [body];
  for (let depth = 1; level.length > 0; depth++) {
    if (depth > MAX_DEPTH) throw new Problem('body_too_complex');
    const nextLevel: object[] = [];
    for (const container of level) {
      for (const [key, value] of Object.entries(container) as [string, unknown][]) {
        if (++keys > MAX_KEYS) throw new Problem('body_too_complex');
        assertKey(key);
        if (!isStorable(key) || (typeof value === 'string' && !isStorable(value))) throw new Problem('invalid_text');
        if (typeof value === 'object' && value !== null) nextLevel.push(value);
      }
    }
    level = nextLevel;
  }
}
