/** What tests pass to `put`. */
export const metadataOf = (bytes: Buffer) => ({
  size: bytes.length,
  type: 'image/webp',
  cache_control: 'public, max-age=60',
});

/** The sorted keys of a listing. */
export async function keysOf(list: AsyncIterable<{ key: string }>): Promise<string[]> {
  const keys = [];
  for await (const { key } of list) keys.push(key);
  return keys.toSorted((a, b) => a.localeCompare(b));
}

export const UNAVAILABLE = { status: 503, code: 'storage_unavailable' };
