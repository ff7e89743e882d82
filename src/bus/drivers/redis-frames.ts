import { deriveKey } from '../../common/keys/encryption.js';
import type { WireFrame } from '../bus-driver.js';

/** Fixed for all versions: nodes of two versions run together during an update. */
export const PARTITIONS = 128;
export const CONNECT_TIMEOUT_MS = 2_000;
/** A subscription that is not confirmed in this time is tried again on a new connection. */
export const SUBSCRIBE_TIMEOUT_MS = 3_000;

/**
 * The channels by partition. Their prefix is known only to processes with the same SECRET_KEY: one Redis may serve several
 * deployments. The partition is the hash tag of its channel, so that a cluster spreads the partitions over its shards.
 */
export function channelsFor(secretKey: string): string[] {
  const prefix = `machi:${deriveKey(secretKey, 'bus').toString('hex').slice(0, 16)}`;
  return Array.from({ length: PARTITIONS }, (_, partition) => `${prefix}:{${partition}}`);
}

/** Bytes of a frame with a header and a body of these lengths. */
export const sizeOfFrame = (headerBytes: number, bodyBytes: number): number => 4 + headerBytes + bodyBytes;

/** The length of the header in four bytes, the header, the body. */
export function encode({ header, body }: WireFrame): Buffer {
  const length = Buffer.byteLength(header);
  const message = Buffer.allocUnsafe(sizeOfFrame(length, body?.length ?? 0));
  message.writeUInt32BE(length);
  message.write(header, 4);
  body?.copy(message, 4 + length);
  return message;
}

/** Returns what reads a message of one of these channels, written by `encode`. */
export function decoderFor(channels: string[]): (channel: Buffer, message: Buffer) => WireFrame {
  const partitions = new Map(channels.map((channel, partition) => [channel, partition]));
  return (channel, message) => {
    const end = message.length < 4 ? 4 : 4 + message.readUInt32BE(); // of what is no frame the header is empty
    const partition = partitions.get(channel.toString('latin1'))!;
    return { partition, header: message.toString('utf8', 4, end), body: message.subarray(end) };
  };
}
