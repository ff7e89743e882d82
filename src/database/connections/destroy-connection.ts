import type { Client } from 'pg';
import type { Socket } from 'node:net';

/** Closes the socket without a Terminate message, which a dead connection would not accept. */
export function destroyConnection(client: Client): void {
  (client as unknown as { connection: { stream: Socket } }).connection.stream.destroy();
}
