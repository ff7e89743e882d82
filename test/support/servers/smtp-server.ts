import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import PostalMime from 'postal-mime';
import { SMTPServer } from 'smtp-server';
import { expect } from 'vitest';
import type { SignedInUser, TestApp } from '../app.js';
import { MailWorker } from '../../../src/mail/mail.worker.js';

export interface ReceivedMail {
  /** The Message-ID. It begins with a time, so mails can be sorted by it. */
  id: string;
  /** The recipients of the envelope. */
  to: string[];
  subject: string;
  text: string;
  raw: string;
  /** The name with which the client greeted the server. */
  greeting: string;
}

type Refusal = { at: 'connect' | 'auth' | 'rcpt' | 'data'; code: number };

/** A real mail server that can refuse mails, not answer, or be unavailable. */
export async function startSmtp() {
  const mails: ReceivedMail[] = [];
  let refusal: Refusal | undefined;
  let isSilent = false;
  let arrivals = 0;
  const problem = (at: Refusal['at']): Error | null =>
    refusal?.at === at ? Object.assign(new Error('no <user@example.org> here'), { responseCode: refusal.code }) : null;

  const open = async (port: number): Promise<SMTPServer> => {
    const server = new SMTPServer({
      authOptional: true,
      allowInsecureAuth: true,
      disabledCommands: ['STARTTLS'],
      closeTimeout: 100,
      onConnect: (_, done) => done(problem('connect')),
      onAuth: ({ username }, _, done) => done(problem('auth'), { user: username }),
      onRcptTo: (_address, _session, done) => done(problem('rcpt')),
      onData(stream, { envelope, hostNameAppearsAs: greeting }, done) {
        void buffer(stream).then(async (bytes) => {
          arrivals++;
          if (isSilent) return;
          const error = problem('data');
          if (!error) {
            const { messageId: id = '', subject = '', text = '' } = await PostalMime.parse(bytes);
            mails.push({
              id,
              to: envelope.rcptTo.map(({ address }) => address),
              subject,
              text,
              raw: bytes.toString(),
              greeting,
            });
          }
          done(error);
        });
      },
    });
    server.on('error', () => undefined); // the client process was killed
    await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', () => resolve()));
    return server;
  };
  const close = (): Promise<void> => new Promise((resolve) => server.close(() => resolve()));

  let server = await open(0);
  const { port } = server.server.address() as AddressInfo;
  return {
    url: `smtp://user:word@127.0.0.1:${port}`,
    mails,
    /** The number of messages received completely, accepted or not. */
    arrivals: () => arrivals,
    refuse(at: Refusal['at'] | undefined, code = 550): void {
      refusal = at && { at, code };
    },
    /** Receives messages without acknowledging them. */
    setSilent(silent: boolean): void {
      isSilent = silent;
    },
    stopListening: close,
    async listenAgain(): Promise<void> {
      server = await open(port);
    },
    stop: close,
  };
}

export type Smtp = Awaited<ReturnType<typeof startSmtp>>;

/** Waits until every mail that is due has been sent or attempted. */
export const sent = (t: TestApp): Promise<void> => t.app.get(MailWorker).run();

export const addressOf = ({ username }: Pick<SignedInUser, 'username'>): string => `${username}@example.org`;

/** Reads mails by address, after waiting for the worker. */
export function mailboxes(t: () => TestApp, smtp: () => Smtp) {
  const read = async (address: string, subject: RegExp): Promise<ReceivedMail[]> => {
    await sent(t());
    const mails = smtp().mails.filter(({ to, subject: line }) => to.includes(address) && subject.test(line));
    return mails.toSorted((one, other) => (one.id < other.id ? -1 : 1)); // they are sent concurrently
  };
  const newest = async (address: string, subject: RegExp): Promise<ReceivedMail> => {
    const mail = (await read(address, subject)).at(-1);
    expect(mail, `a mail to ${address} about ${subject}`).toBeDefined();
    return mail!;
  };
  return {
    read,
    newest,
    code: async (address: string) => /^ {4}(\d{8})$/m.exec((await newest(address, /code/)).text)![1]!,
    link: async (address: string) => /^(https?:\S+)$/m.exec((await newest(address, /your e-mail address/)).text)![1]!,
  };
}
