/** All errors of the configuration at once. Each sentence names a variable and says how to correct it. */
export class ConfigError extends Error {
  constructor(readonly errors: string[]) {
    super(`Machi cannot start with this configuration:\n${errors.map((error) => `  - ${error}`).join('\n')}`);
    this.name = 'ConfigError';
  }
}
