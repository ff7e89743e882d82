/**
 * The WebSocket subprotocol of new clients, which offer it in `Sec-WebSocket-Protocol`. Other clients get exactly the
 * protocol of the chat app: no further keys, and no frames that they did not ask for.
 */
export const MACHI_V2 = 'machi.v2';

export type Subprotocol = typeof MACHI_V2;
