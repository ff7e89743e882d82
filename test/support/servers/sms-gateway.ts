import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';

export interface ReceivedSms {
  id: string;
  to: string;
  text: string;
  key: string | undefined;
  authorization: string | undefined;
}

/** An HTTP gateway for SMS that can answer with other statuses. */
export async function startSmsGateway() {
  const messages: ReceivedSms[] = [];
  let status = 202;
  let attempts = 0;
  const server = createServer((request, response) => {
    void text(request).then((body) => {
      attempts++;
      const { authorization, 'idempotency-key': key } = request.headers;
      if (status < 300) messages.push({ ...(JSON.parse(body) as ReceivedSms), authorization, key: key as string });
      response.writeHead(status).end();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    messages,
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/messages`,
    attempts: () => attempts,
    answer(other: number): void {
      status = other;
    },
    async stop(): Promise<void> {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
