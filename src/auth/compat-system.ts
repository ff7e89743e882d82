/** The replaced systems, by the names of their folders in `src/compat`. */
export type CompatSystem = 'kanjiku' | 'kitsu' | 'chatapp' | 'tmtar' | 'backend-user';
