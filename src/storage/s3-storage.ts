import {
  DeleteObjectCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
} from '@aws-sdk/client-s3';
import type { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { Problem } from '../http/problem.js';
import type { Config } from '../config/config.js';
import {
  type About,
  assertKey,
  type ByteRange,
  exactly,
  type ObjectInfo,
  type Source,
  Storage,
  storeFailed,
  type StoredObject,
} from './storage.js';

const TIMEOUTS = {
  connectionTimeout: 2_000,
  requestTimeout: 15_000,
  throwOnRequestTimeout: true,
  socketTimeout: 15_000,
};
const NONE = new Set(['NoSuchKey', 'NotFound']);

type Settings = Pick<
  Config,
  'S3_BUCKET' | 'S3_ENDPOINT' | 'S3_REGION' | 'S3_ACCESS_KEY_ID' | 'S3_SECRET_ACCESS_KEY' | 'S3_FORCE_PATH_STYLE'
>;

/** A bucket of any object store that speaks S3. Importing this loads the AWS SDK: see the module. */
export class S3Storage extends Storage {
  private readonly client: S3Client;
  private readonly bucket: string;

  constructor(config: Settings) {
    super();
    this.bucket = config.S3_BUCKET!;
    this.client = new S3Client({
      region: config.S3_REGION,
      ...(config.S3_ENDPOINT === undefined ? {} : { endpoint: config.S3_ENDPOINT }),
      forcePathStyle: config.S3_FORCE_PATH_STYLE === 'true',
      credentials: { accessKeyId: config.S3_ACCESS_KEY_ID!, secretAccessKey: config.S3_SECRET_ACCESS_KEY! },
      maxAttempts: 2,
      requestHandler: TIMEOUTS,
      // Checksums in trailers are Amazon's alone; many other servers would store them as part of the object.
      requestChecksumCalculation: 'WHEN_REQUIRED',
      responseChecksumValidation: 'WHEN_REQUIRED',
    });
  }

  /** Collects the source first: it is sent with its hash, can be sent again, and a broken one is not sent at all. */
  async put(key: string, source: Source, { size, type, cache_control }: About): Promise<void> {
    assertKey(key);
    const about = { ...this.at(key), ContentType: type, CacheControl: cache_control };
    await this.asking(async () => {
      const Body = await buffer(exactly(size, source));
      return this.client.send(new PutObjectCommand({ ...about, Body }));
    });
  }

  async get(key: string, range?: ByteRange): Promise<StoredObject | null> {
    assertKey(key);
    const Range = range && `bytes=${range.start}-${range.end}`;
    const found = await this.finding(() => this.client.send(new GetObjectCommand({ ...this.at(key), Range })));
    if (!found) return null;
    const body = found.Body as Readable;
    const size = Number(found.ContentRange?.split('/')[1] ?? found.ContentLength);
    if (Number.isSafeInteger(size)) return { ...infoOf(found), size, body };
    body.destroy();
    throw storeFailed(new Error('an object of unknown length'));
  }

  async head(key: string): Promise<ObjectInfo | null> {
    assertKey(key);
    const found = await this.finding(() => this.client.send(new HeadObjectCommand(this.at(key))));
    return found && infoOf(found);
  }

  async delete(key: string): Promise<void> {
    assertKey(key);
    await this.finding(() => this.client.send(new DeleteObjectCommand(this.at(key))));
  }

  async *list(folder: string): AsyncGenerator<{ key: string; modified_at: Date }> {
    let token: string | undefined;
    do {
      const query = { Bucket: this.bucket, Prefix: folder, ContinuationToken: token };
      const page = await this.asking(() => this.client.send(new ListObjectsV2Command(query)));
      for (const { Key, LastModified } of page.Contents ?? []) yield { key: Key!, modified_at: LastModified! };
      token = page.NextContinuationToken;
    } while (token !== undefined);
  }

  private at(Key: string): { Bucket: string; Key: string } {
    return { Bucket: this.bucket, Key };
  }

  /** As `asking`; null when there is no such object. Only where that is an answer: nothing is put by a 404. */
  private async finding<T>(ask: () => Promise<T>): Promise<T | null> {
    return this.asking(() =>
      ask().catch((error: Error) => {
        if (NONE.has(error.name)) return null;
        throw error;
      }),
    );
  }

  private async asking<T>(ask: () => Promise<T>): Promise<T> {
    try {
      return await ask();
    } catch (error) {
      const { name, message } = error as Error;
      if (name === 'InvalidRange') throw new Problem('range_not_satisfiable');
      throw storeFailed(new Error(`${name}: ${message}`)); // the error itself drags sockets and signatures into the log
    }
  }
}

interface Found {
  ContentLength?: number | undefined;
  ContentType?: string | undefined;
  CacheControl?: string | undefined;
  LastModified?: Date | undefined;
}

const infoOf = ({ ContentLength, ContentType, CacheControl, LastModified }: Found): ObjectInfo => ({
  size: ContentLength!,
  type: ContentType!,
  cache_control: CacheControl ?? '',
  modified_at: LastModified!,
});
