interface Page<Item> {
  items: Item[];
  next_cursor: string | null;
}

/**
 * All items of a list, page by page: `for await (const user of paginate(machi.api.listUsers, { query: { q: 'sato' } })) …`.
 * Fetches a page when the loop gets there, and none after the loop is left.
 */
export async function* paginate<Args extends { query?: { cursor?: string } } | undefined, Item>(
  call: (args: Args) => Promise<Page<Item>>,
  args?: NonNullable<NoInfer<Args>>,
): AsyncGenerator<Item, void, undefined> {
  let cursor = args?.query?.cursor;
  do {
    const query = cursor === undefined ? args?.query : { ...args?.query, cursor };
    const page = await call({ ...args, ...(query ? { query } : {}) } as unknown as Args);
    yield* page.items;
    cursor = page.next_cursor ?? undefined;
  } while (cursor !== undefined);
}
