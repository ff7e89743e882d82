import { Init1795257000000 } from './1795257000000-init.js';

/** In order. `npm run migration:generate` drafts a file from the entities; its line is added here by hand. */
export const migrations = [Init1795257000000];
