import { readFileSync } from 'node:fs';

/** A variable and its value, which may be in quotes and then span lines. */
const ENTRY = /^[ \t]*(?:export[ \t]+)?([A-Za-z_]\w*)[ \t]*=([ \t]*(?:"[^"]*"|'[^']*'|`[^`]*`)|[^\n]*)/gm;

/** A "#" that follows a character other than a blank: Node.js ends the value there, which is rarely intended. */
const TRUNCATED = /^(?!\s*["'`])((?:[^#]*[^#\s])?)#/;

/**
 * Returns one sentence for each value of a file for `--env-file` that ends before a "#". A variable that the environment sets
 * otherwise is not reported.
 */
export function findTruncatedValues(file: string, environment: NodeJS.ProcessEnv): string[] {
  return [...readIfExists(file).matchAll(ENTRY)].flatMap(([, name = '', raw = '']) => {
    const value = TRUNCATED.exec(raw)?.[1]?.trim();
    if (value === undefined || (environment[name] ?? '') !== value) return [];
    return [`The value of ${name} in ${file} ends before "#": put the value in quotes.`];
  });
}

function readIfExists(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}
