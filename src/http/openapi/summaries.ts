import type { OpenAPIObject } from '@nestjs/swagger';

type Operation = Pick<NonNullable<OpenAPIObject['paths'][string]['get']>, 'summary' | 'description' | 'security'> & {
  'x-permissions'?: string[];
};

/** Longer first sentences end at their first comma or bracket. */
const MAX_SUMMARY = 60;

const SENTENCE = /^(?:`[^`]*`|[^`])*?[.!?](?=\s|$)/;
const CLAUSE = /^(?:`[^`]*`|"[^"]*"|[^`":;])+?(?=[:;] )/;
const PHRASE = /^(?:`[^`]*`|[^`]){15,}?(?=, | \()/;

/**
 * Splits the doc comment of a route: its first clause is the summary, a line in the list of Swagger UI; the whole comment and who
 * may call the route are the description.
 */
export function splitComment(operation: Operation): void {
  const comment = (operation.summary ?? '').trim();
  const text = comment.replaceAll(/\s+/g, ' ');
  const sentence = (SENTENCE.exec(text)?.[0] ?? text).replace(/\.$/, '');
  const clause = CLAUSE.exec(sentence)?.[0] ?? sentence;
  operation.summary = (clause.length > MAX_SUMMARY ? PHRASE.exec(clause)?.[0] : undefined) ?? clause;
  operation.description = [comment, operation.description, accessOf(operation)].filter(Boolean).join('\n\n');
}

function accessOf({ security = [], 'x-permissions': permissions = [] }: Operation): string {
  if (security.length === 0) return 'Access: everyone.';
  if (security.some((scheme) => Object.keys(scheme).length === 0))
    return 'Access: everyone; the answer depends on the caller.';
  if (permissions.length === 0) return 'Access: signed-in users.';
  return `Access: users with the permission ${permissions.map((name) => `\`${name}\``).join(' and ')}.`;
}
