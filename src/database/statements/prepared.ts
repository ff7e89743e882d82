import type { CustomTypesConfig, QueryConfig } from 'pg';
import { hash } from 'node:crypto';

/**
 * A statement that each connection parses and plans once, for `pool.query`. For texts that are put together from few parts:
 * each connection keeps every text that it has seen. `types` reads values in another way than the pool.
 */
export const prepared = (text: string, values: unknown[], types?: CustomTypesConfig): QueryConfig => ({
  name: hash('sha256', text, 'base64url').slice(0, 22),
  text,
  values,
  ...(types ? { types } : {}),
});
