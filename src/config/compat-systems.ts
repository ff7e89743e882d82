/** The systems that Machi replaces, by the names of their folders in `src/compat`. */
export const COMPAT_SYSTEMS = ['kanjiku', 'kitsu', 'chatapp', 'tmtar', 'backend-user'] as const;
export type CompatSystem = (typeof COMPAT_SYSTEMS)[number];
