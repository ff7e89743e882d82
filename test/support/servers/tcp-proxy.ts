import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import type { DataSource } from 'typeorm';
import type { DatabaseConnection } from '../../../src/config/database/database-connection.js';

/** A way to a database that a test can cut or block: what a restart or a freeze of the server looks like from here. */
export async function startProxy(target: DatabaseConnection) {
  const sockets = new Set<Socket>();
  let mode: 'open' | 'cut' | 'frozen' = 'open';
  const server = createServer((client) => {
    if (mode === 'cut') return client.destroy();
    const path = target.host.startsWith('/') ? `${target.host}/.s.PGSQL.${target.port}` : undefined;
    const upstream = path ? connect(path) : connect(target.port, target.host);
    for (const [socket, other] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      sockets.add(socket);
      socket.on('data', (chunk) => void (mode === 'frozen' || other.write(chunk)));
      socket.on('error', () => undefined);
      socket.on('close', () => {
        sockets.delete(socket);
        other.destroy();
      });
    }
    return undefined;
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const end = (): void => {
    for (const socket of sockets) socket.destroy();
  };
  return {
    connection: { ...target, host: '127.0.0.1', port: (server.address() as AddressInfo).port },
    cut(): void {
      mode = 'cut';
      end();
    },
    freeze(): void {
      mode = 'frozen';
    },
    /** What is sent over the present connections waits for `resume`, as on a machine that is paused. */
    pause(): void {
      for (const socket of sockets) socket.pause();
    },
    resume(): void {
      for (const socket of sockets) socket.resume();
    },
    /** Connections stay open. What was sent meanwhile is lost, as behind a proxy that has replaced its server. */
    thaw(): void {
      mode = 'open';
    },
    /** Connections of before are gone, as after a restart; new ones pass. */
    restore(): void {
      end();
      mode = 'open';
    },
    stop(): void {
      end();
      server.close();
    },
  };
}

/** After `restore`: the pool notices one by one that its connections of before are gone. */
export async function noticed(dataSource: DataSource): Promise<void> {
  for (let good = 0; good < 30;) {
    const isGood = await dataSource.query('select 1').then(
      () => true,
      () => false,
    );
    good = isGood ? good + 1 : 0;
  }
}
