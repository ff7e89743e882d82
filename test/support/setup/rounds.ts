import { inject } from 'vitest';

declare module 'vitest' {
  interface ProvidedContext {
    /** True in `npm run test:soak`, which runs the long form of some tests. */
    isSoak: boolean;
  }
}

/** How often a test repeats what it does: few times in `npm test`, many times in `npm run test:soak`. */
export const rounds = (short: number, long: number): number => (inject('isSoak') ? long : short);
