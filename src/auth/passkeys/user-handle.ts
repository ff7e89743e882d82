/** What an authenticator keeps of whose passkey it is: the sixteen bytes of the user's id, nothing about the person. */
export const handleOf = (userId: string): Uint8Array<ArrayBuffer> =>
  Uint8Array.from(Buffer.from(userId.replaceAll('-', ''), 'hex'));
