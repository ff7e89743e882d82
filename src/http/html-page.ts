/** A small page for browsers that open a mailed link: without style and script, so that no front end is needed. */
export const htmlPage = (title: string, body: string): string =>
  `<!doctype html>\n<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">` +
  `<title>${title}</title><body><main>${body}</main></body></html>\n`;

/** Documents a page as the body of a response. */
export const HTML_CONTENT = {
  'text/html': { schema: { type: 'string' }, examples: { page: { value: '<!doctype html>…' } } },
} as const;
