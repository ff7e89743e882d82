import { Transform } from 'class-transformer';

/** The systems that Machi replaces, by the names of their folders in `src/compat`. */
export const COMPAT_SYSTEMS = ['kanjiku', 'kitsu', 'chatapp', 'tmtar', 'backend-user'] as const;
export type CompatSystem = (typeof COMPAT_SYSTEMS)[number];

/** Converts `on`, `off` and a comma-separated text to a list of systems. */
export const AsSystems = (): PropertyDecorator =>
  Transform(({ value }: { value: unknown }) => {
    if (value === 'on') return COMPAT_SYSTEMS;
    if (value === 'off') return [];
    return typeof value === 'string' ? value.split(',').map((name) => name.trim()) : value;
  });

/** Whether the list has names and all of them are known. `off` stands for an empty list. */
export const isSystems = (value: unknown): boolean =>
  Array.isArray(value) && value.every((name) => (COMPAT_SYSTEMS as readonly unknown[]).includes(name));
