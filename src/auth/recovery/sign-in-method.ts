/** A way to sign in besides the password, or a second factor, with the times that show whether its owner added it. */
export interface SignInMethod {
  kind: 'passkey' | 'identity' | 'two_factor';
  id: string;
  addedAt: Date;
  /** Null if never. */
  lastUsedAt: Date | null;
  /** The issuer of an external identity. */
  issuer?: string;
}

/** An account's first sign-in method is stored within this time after the account. */
const CREATION_MS = 60_000;

interface Account {
  createdAt: Date;
  /** Null if never. */
  lastPasswordSignIn: Date | null;
}

/**
 * Divides the methods of an account at its recovery. Keeps the methods that were added before `quarantineStart`
 * (milliseconds since the epoch) and before the last sign-in with an older method that is kept: the owner had been mailed
 * about them before that sign-in. An intruder may have added all others.
 */
export function divideMethods(
  methods: SignInMethod[],
  { createdAt, lastPasswordSignIn }: Account,
  quarantineStart: number,
): { kept: SignInMethod[]; removed: SignInMethod[] } {
  const kept: SignInMethod[] = [];
  const removed: SignInMethod[] = [];
  let lastSignIn = Math.max(createdAt.getTime() + CREATION_MS, lastPasswordSignIn?.getTime() ?? 0);
  for (const method of methods.toSorted((one, other) => one.addedAt.getTime() - other.addedAt.getTime())) {
    const addedAt = method.addedAt.getTime();
    const isKept = addedAt <= quarantineStart && addedAt <= lastSignIn;
    (isKept ? kept : removed).push(method);
    if (isKept) lastSignIn = Math.max(lastSignIn, method.lastUsedAt?.getTime() ?? 0);
  }
  return { kept, removed };
}

const TEXTS = { passkey: 'Passkey', identity: 'Account', two_factor: 'Two-factor authentication' } as const;

const day = (date: Date): string => date.toISOString().slice(0, 10);

/** One line for a mail. Omits the name of a passkey, because an intruder may have chosen it. */
export function describeMethod({ kind, addedAt, lastUsedAt, issuer }: SignInMethod): string {
  const use = lastUsedAt ? `last used on ${day(lastUsedAt)}` : 'never used';
  const subject = issuer === undefined ? TEXTS[kind] : `${TEXTS[kind]} of ${issuer}`;
  return `${subject}, added on ${day(addedAt)}, ${use}`;
}
