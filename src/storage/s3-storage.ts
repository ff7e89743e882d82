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
import { Problem } from '../http/problems/problem.js';
import type { Config } from '../config/config.js';
import {
  assertKey,
  type ByteRange,
  checkSize,
  mapStorageError,
  type ObjectInfo,
  type ObjectMetadata,
  type Source,
  Storage,
  type StoredObject,
} from './storage.js';

const TIMEOUTS = {
  connectionTimeout: 2_000,
  requestTimeout: 15_000,
  throwOnRequestTimeout: true,
  socketTimeout: 15_000,
};
const NOT_FOUND = new Set(['NoSuchKey', 'NotFound']);

type Settings = Pick<
  Config,
  'S3_BUCKET' | 'S3_ENDPOINT' | 'S3_REGION' | 'S3_ACCESS_KEY_ID' | 'S3_SECRET_ACCESS_KEY' | 'S3_FORCE_PATH_STYLE'
>;

/** Stores objects in a bucket of any S3-compatible server. Importing this file loads the AWS SDK: see the module. */
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
      // Only Amazon supports checksums in trailers; other servers store them as part of the object.
      requestChecksumCalculation: 'WHEN_REQUIRED',
      responseChecksumValidation: 'WHEN_REQUIRED',
    });
  }

  /** Collects the source first: it is sent with its hash, can be repeated, and an incomplete source is not sent. */
  async put(key: string, source: Source, { size, type, cache_control }: ObjectMetadata): Promise<void> {
    assertKey(key);
    const object = { ...this.locate(key), ContentType: type, CacheControl: cache_control };
    await this.send(async () => {
      const Body = await buffer(checkSize(size, source));
      return this.client.send(new PutObjectCommand({ ...object, Body }));
    });
  }

  async get(key: string, range?: ByteRange): Promise<StoredObject | null> {
    assertKey(key);
    const Range = range && `bytes=${range.start}-${range.end}`;
    const found = await this.findObject(() => this.client.send(new GetObjectCommand({ ...this.locate(key), Range })));
    if (!found) return null;
    const body = found.Body as Readable;
    const size = Number(found.ContentRange?.split('/')[1] ?? found.ContentLength);
    if (Number.isSafeInteger(size)) return { ...infoOf(found), size, body };
    body.destroy();
    throw mapStorageError(new Error('the object has no known length'));
  }

  async head(key: string): Promise<ObjectInfo | null> {
    assertKey(key);
    const found = await this.findObject(() => this.client.send(new HeadObjectCommand(this.locate(key))));
    return found && infoOf(found);
  }

  async delete(key: string): Promise<void> {
    assertKey(key);
    await this.findObject(() => this.client.send(new DeleteObjectCommand(this.locate(key))));
  }

  async *list(folder: string): AsyncGenerator<{ key: string; modified_at: Date }> {
    let token: string | undefined;
    do {
      const query = { Bucket: this.bucket, Prefix: folder, ContinuationToken: token };
      const page = await this.send(() => this.client.send(new ListObjectsV2Command(query)));
      for (const { Key, LastModified } of page.Contents ?? []) yield { key: Key!, modified_at: LastModified! };
      token = page.NextContinuationToken;
    } while (token !== undefined);
  }

  private locate(Key: string): { Bucket: string; Key: string } {
    return { Bucket: this.bucket, Key };
  }

  /** As `send`; null when there is no such object. */
  private async findObject<T>(request: () => Promise<T>): Promise<T | null> {
    return this.send(() =>
      request().catch((error: Error) => {
        if (NOT_FOUND.has(error.name)) return null;
        throw error;
      }),
    );
  }

  /** Maps errors of the SDK. They hold sockets and signatures, so only name and message are kept for the log. */
  private async send<T>(request: () => Promise<T>): Promise<T> {
    try {
      return await request();
    } catch (error) {
      const { name, message } = error as Error;
      if (name === 'InvalidRange') throw new Problem('range_not_satisfiable');
      throw mapStorageError(new Error(`${name}: ${message}`));
    }
  }
}

/** The part of S3 responses that describes an object. */
interface ObjectHeaders {
  ContentLength?: number | undefined;
  ContentType?: string | undefined;
  CacheControl?: string | undefined;
  LastModified?: Date | undefined;
}

const infoOf = ({ ContentLength, ContentType, CacheControl, LastModified }: ObjectHeaders): ObjectInfo => ({
  size: ContentLength!,
  type: ContentType!,
  cache_control: CacheControl ?? '',
  modified_at: LastModified!,
});
