let networks = 0;

/** The address of a network that no other test of the file comes from. */
export const newNetwork = (): string => `198.51.${(networks += 1) >> 8}.${networks & 255}`;

/** The statuses of so many requests, one after the other. */
export async function statuses(count: number, ask: (i: number) => Promise<{ status: number }>): Promise<number[]> {
  const answers: number[] = [];
  for (let i = 0; i < count; i++) answers.push((await ask(i)).status);
  return answers;
}
