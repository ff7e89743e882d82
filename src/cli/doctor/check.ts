/** One finding of `machi doctor`. */
export interface Check {
  name: string;
  status: 'ok' | 'warning' | 'error' | 'skipped';
  /** What was found. */
  detail: string;
  /** What to do, if anything. */
  remedy?: string;
}

export const ok = (name: string, detail: string): Check => ({ name, status: 'ok', detail });
export const skipped = (name: string, detail: string): Check => ({ name, status: 'skipped', detail });
export const warning = (name: string, detail: string, remedy: string): Check => ({
  name,
  status: 'warning',
  detail,
  remedy,
});
export const error = (name: string, detail: string, remedy: string): Check => ({
  name,
  status: 'error',
  detail,
  remedy,
});
