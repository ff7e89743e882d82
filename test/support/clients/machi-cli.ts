import { launch } from '../servers/machi-process.js';

/** What a call of `machi --json` did. */
export interface CommandResult {
  code: number | null;
  /** The object on standard output. */
  body: { [name: string]: unknown; error?: { code: string; message: string; errors?: string[] } };
  /** Everything that was written. */
  output: string;
}

/** A function that runs `machi --json` with these settings and the given arguments. */
export const cli =
  (settings: () => Record<string, string>) =>
  async (...args: string[]): Promise<CommandResult> => {
    const command = launch(settings(), 'cli/machi', { args: ['--json', ...args] });
    const code = await command.ended;
    const text = command.stdout();
    return { code, body: text === '' ? {} : (JSON.parse(text) as CommandResult['body']), output: command.output() };
  };
