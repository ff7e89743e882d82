const COLLATOR = new Intl.Collator('en', { numeric: true, sensitivity: 'base' });

/** Compares the names of pages, folder by folder, so that 2 comes before 10. Different names never compare as equal. */
export function compareNames(a: string, b: string): number {
  const [left, right] = [a.split('/'), b.split('/')];
  for (let i = 0; i < Math.min(left.length, right.length); i++) {
    const order = COLLATOR.compare(left[i]!, right[i]!);
    if (order !== 0) return order;
  }
  return left.length - right.length || (a < b ? -1 : Number(a > b));
}
