/** SQL: the pattern with which LIKE finds texts that contain `text`, which is SQL as well. Wildcards in the text are escaped. */
export const likePattern = (text: string): string =>
  `'%' || regexp_replace(${text}, '([\\\\%_])', '\\\\\\1', 'g') || '%'`;
