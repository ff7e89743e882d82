/** The schema of a document of a media type: text, or JSON whose members a specification of its own describes. */
export const documentSchema = (type: string): { type: 'string' } | { type: 'object'; additionalProperties: true } =>
  type.endsWith('json') ? { type: 'object', additionalProperties: true } : { type: 'string' };
