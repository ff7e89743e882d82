import type { QueryRunner } from 'typeorm';

/** Replaces parts of the definition of a function of the database, each where it stands first. Throws if one is not there. */
export async function replaceInFunction(
  runner: QueryRunner,
  name: string,
  changes: [from: string, to: string][],
): Promise<void> {
  const [{ definition }] = (await runner.query(`select pg_get_functiondef('${name}'::regproc) as definition`)) as [
    { definition: string },
  ];
  const replaced = changes.reduce((text, [from, to]) => {
    if (!text.includes(from)) throw new Error(`${name} does not contain: ${from}`);
    return text.replace(from, () => to);
  }, definition);
  await runner.query(replaced);
}
