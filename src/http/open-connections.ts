import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

const IDLE_CHECK_MS = 50;

/** The open connections of a server and the responses that have not been sent completely. */
export class OpenConnections {
  private readonly sockets = new Set<Socket>();
  private readonly responses = new Set<ServerResponse>();
  private readonly newest = new WeakMap<Socket, ServerResponse>();
  /** How many requests of a connection wait for their turn. */
  private readonly waiting = new WeakMap<Socket, number>();

  constructor(private readonly server: Server) {
    server.on('connection', (socket: Socket) => {
      this.sockets.add(socket);
      socket.once('close', () => this.sockets.delete(socket));
    });
  }

  /**
   * Calls `handle` once the earlier responses on this connection are sent. Node.js starts all requests that a client sends
   * without waiting (RFC 9112, section 9.3.2), and would hold their responses for a client that reads none. Nothing is read
   * while requests wait, because each of them takes some kilobytes of memory.
   */
  inTurn({ socket }: IncomingMessage, response: ServerResponse, handle: () => void): void {
    const previous = this.newest.get(socket);
    this.newest.set(socket, response);
    const start = (): void => {
      if (socket.destroyed || socket.writableEnded) return; // closed after the answer before
      this.responses.add(response);
      response.once('close', () => this.responses.delete(response));
      if (!this.server.listening) response.setHeader('connection', 'close');
      handle();
    };
    if (!previous || previous.closed) {
      start();
      return;
    }
    this.countWaiting(socket, 1);
    previous.once('close', () => {
      this.countWaiting(socket, -1);
      start();
    });
  }

  private countWaiting(socket: Socket, change: 1 | -1): void {
    const before = this.waiting.get(socket) ?? 0;
    const count = before + change;
    this.waiting.set(socket, count);
    if (count === 0) socket.resume();
    // Later: Node.js resumes the connection itself at the end of each request of the bytes that it has just read.
    else if (before === 0) process.nextTick(() => this.waiting.get(socket)! > 0 && socket.pause());
  }

  /** The response on this connection that has not ended yet. */
  findPendingResponse(socket: Socket): ServerResponse | undefined {
    return [...this.responses].find((response) => response.socket === socket && !response.writableEnded);
  }

  /**
   * Ends keep-alive: a connection closes after its current response, or at once when it is idle. Destroys what is still
   * open after `timeoutMs`, after a call of `onTimeout` with the number of connections. Returns a function that stops
   * this, for when the server has closed.
   */
  drain(timeoutMs: number, onTimeout: (openConnections: number) => void): () => void {
    for (const response of this.responses) if (!response.headersSent) response.setHeader('connection', 'close');
    // Browsers open connections before they need them. Node does not regard those as idle.
    for (const socket of this.sockets) if (socket.bytesRead === 0) socket.destroy();
    const idleCheck = setInterval(() => this.server.closeIdleConnections(), IDLE_CHECK_MS);
    const timeout = setTimeout(() => {
      onTimeout(this.sockets.size);
      for (const socket of this.sockets) socket.destroy();
    }, timeoutMs);
    return () => {
      clearInterval(idleCheck);
      clearTimeout(timeout);
    };
  }
}
