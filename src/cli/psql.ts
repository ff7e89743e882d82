import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline/promises';
import { text } from 'node:stream/consumers';
import type { Client, QueryResult } from 'pg';
import { libpqEnvironment } from '../config/database/libpq-environment.js';
import { loadConfig } from '../config/load-config.js';
import type { DatabaseConnection } from '../config/database/database-connection.js';
import { connectClient } from '../database/connections/client-config.js';
import { CommandError, EXIT } from './exit-codes.js';
import type { Output } from './output.js';
import { createLog, withDatabase } from './with-database.js';

/** Sends SQL to the database: with the program psql, or without it where it is not installed or JSON is asked for. */
export async function runPsql(args: string[], command: string | undefined, output: Output): Promise<void> {
  const config = loadConfig();
  await withDatabase(config, createLog(), async ({ connection, direct }) => {
    const way = direct ?? connection;
    if (!output.isJson && spawnSync('psql', ['--version']).status === 0) {
      const options = command === undefined ? args : ['-c', command, ...args];
      return runProgram(options, libpqEnvironment(config, way));
    }
    if (args.length > 0) {
      throw new CommandError(
        'usage',
        `Without the program psql, only --command is understood: not ${args[0]}.`,
        EXIT.usage,
      );
    }
    await runStatements(way, command, output);
  });
}

/** The program gets signals of the terminal itself. Its exit code becomes that of this process. */
async function runProgram(args: string[], env: NodeJS.ProcessEnv): Promise<void> {
  process.on('SIGINT', () => undefined); // psql cancels its statement
  const child = spawn('psql', args, { env, stdio: 'inherit' });
  const [code] = (await once(child, 'close')) as [number | null];
  process.exitCode = code ?? EXIT.failed;
}

async function runStatements(
  connection: DatabaseConnection,
  command: string | undefined,
  output: Output,
): Promise<void> {
  const client = await connectClient(connection, { statementTimeout: 0 });
  try {
    if (command !== undefined) await runStatement(client, command, output);
    else if (!process.stdin.isTTY) await runStatement(client, await text(process.stdin), output);
    else await prompt(client, output);
  } finally {
    await client.end();
  }
}

async function runStatement(client: Client, sql: string, output: Output): Promise<void> {
  const found = (await client.query(sql).catch((error: Error & { code?: string }) => {
    throw new CommandError('sql_refused', `${error.message} (${error.code})`, EXIT.failed, { cause: error });
  })) as QueryResult | QueryResult[]; // several statements have several results
  const results = [found]
    .flat()
    .map(({ command, rowCount, rows }) => ({ command, row_count: rowCount, rows: rows as object[] }));
  output.result({ results }, results.map(resultText).join('\n'));
}

/** Reads lines until a statement ends with a semicolon. */
async function prompt(client: Client, output: Output): Promise<void> {
  const lines = createInterface({ input: process.stdin, output: process.stderr });
  let statement = '';
  lines.setPrompt('machi=> ');
  lines.prompt();
  for await (const line of lines) {
    if (line.trim() === '\\q') break;
    statement += `${line}\n`;
    if (line.trimEnd().endsWith(';')) {
      await runStatement(client, statement, output).catch((error: Error) => output.note(error.message));
      statement = '';
    }
    lines.setPrompt(statement.trim() === '' ? 'machi=> ' : 'machi-> ');
    lines.prompt();
  }
  lines.close();
}

/** As `psql --no-align`: a line per row. */
function resultText({
  command,
  row_count,
  rows,
}: {
  command: string;
  row_count: number | null;
  rows: object[];
}): string {
  if (rows.length === 0) return `${command} ${row_count ?? ''}`.trim();
  const lines = rows.map((row) => Object.values(row).map(valueText).join('|'));
  return [Object.keys(rows[0]!).join('|'), ...lines, `(${rows.length} rows)`].join('\n');
}

function valueText(value: unknown): string {
  if (value === null) return '';
  if (Buffer.isBuffer(value)) return `\\x${value.toString('hex')}`;
  if (value instanceof Date) return value.toISOString();
  return typeof value === 'string' ? value : JSON.stringify(value);
}
