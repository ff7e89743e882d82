/** Encrypted content coding for HTTP (RFC 8188), with the keys of Web Push (RFC 8291). */
declare module 'http_ece' {
  import type { ECDH } from 'node:crypto';

  interface Parameters {
    version: 'aes128gcm';
    /** The own key pair: of the sender to encrypt, of the browser to decrypt. */
    privateKey: ECDH;
    authSecret: Buffer;
    /** The public key of the browser, to encrypt. */
    dh?: Buffer;
    salt?: Buffer;
    /** The number of bytes of padding. */
    pad?: number;
  }

  export function encrypt(content: Buffer, parameters: Parameters): Buffer;
  export function decrypt(content: Buffer, parameters: Parameters): Buffer;
}
