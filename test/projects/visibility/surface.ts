import type { ChapterCase, Kind, Person, VisibilityWorld } from '../../support/projects/visibility.js';

/** A route, or several, that shows or counts chapters or projects. */
export interface Surface {
  name: string;
  /** As in the access table. */
  routes: string[];
  /** Who may call it; everyone if left out. Others are refused, whatever they ask for: see the access table. */
  kinds?: Kind[];
  /** The ids of the chapters, or of the projects, that it shows to a reader. */
  idsFor: (world: VisibilityWorld, person: Person) => Promise<string[]>;
}

/** A surface of chapters. */
export interface ChapterSurface extends Surface {
  /** The chapters that it can show; all if left out. */
  canShow?: (each: ChapterCase) => boolean;
}

export const isPublished = ({ state }: ChapterCase): boolean => state === 'published';

export const read = ({ t }: VisibilityWorld, { token }: Person, path: string) => t.request('GET', path, { token });

/** All items of a list, page by page. */
export async function allPages<Item>(world: VisibilityWorld, person: Person, path: string): Promise<Item[]> {
  const items: Item[] = [];
  for (let cursor: string | null = ''; cursor !== null;) {
    const answer = await read(world, person, `${path}limit=3${cursor && `&cursor=${cursor}`}`);
    const body = answer.body as unknown as { items?: Item[]; next_cursor: string | null };
    items.push(...(body.items ?? []));
    cursor = body.next_cursor ?? null;
  }
  return items;
}

/** The ids of the rows for which the condition holds; one after the other. */
export async function filterIds<Row extends { id: string }>(
  rows: Row[],
  isShown: (row: Row) => Promise<boolean>,
): Promise<string[]> {
  const ids: string[] = [];
  for (const row of rows) if (await isShown(row)) ids.push(row.id);
  return ids;
}

/** Those of the ids that a document contains. */
export const idsIn = (rows: { id: string }[], text: string): string[] =>
  rows.map(({ id }) => id).filter((id) => text.includes(id));

/** Sends a request that fails with 404 if and only if the reader does not see its subject, and otherwise with `status`. */
export async function isSeenBy(
  { t }: VisibilityWorld,
  { token }: Person,
  [method, path, body]: [method: string, path: string, body?: object],
  statuses: number[],
): Promise<boolean> {
  const { status, text } = await t.request(method, path, { token, body });
  if (![404, ...statuses].includes(status)) throw new Error(`${method} ${path}: ${status} ${text}`);
  return status !== 404;
}
