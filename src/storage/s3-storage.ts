import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListMultipartUploadsCommand,
  ListObjectsV2Command,
  type MultipartUpload,
  PutObjectCommand,
  type PutObjectCommandInput,
  S3Client,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import { getSignedUrl } from '@aws-sdk/s3-request-presigner';
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
  type StreamMetadata,
} from './storage.js';

const TIMEOUTS = {
  connectionTimeout: 2_000,
  requestTimeout: 15_000,
  throwOnRequestTimeout: true,
  socketTimeout: 15_000,
};
const NOT_FOUND = new Set(['NoSuchKey', 'NotFound']);
/** S3 takes parts of at least 5 MiB, and 10,000 of them. One is held in memory. */
const PART_BYTES = 8 * 1024 * 1024;

/** An upload in parts. */
interface Multipart {
  Bucket: string;
  Key: string;
  UploadId: string;
}

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
      await this.putObject({ ...object, Body });
    });
  }

  /** Small ones are sent at once, others in parts: what is not completed does not exist. */
  async putStream(key: string, source: Readable, { type, cache_control }: StreamMetadata): Promise<number> {
    assertKey(key);
    const object = { ...this.locate(key), ContentType: type, CacheControl: cache_control };
    const parts = partsOf(source);
    const { value: first = Buffer.alloc(0), done } = await this.send(() => parts.next());
    if (done || first.length < PART_BYTES) {
      await this.send(() => this.putObject({ ...object, Body: first }));
      return first.length;
    }
    const { UploadId } = await this.send(() => this.client.send(new CreateMultipartUploadCommand(object)));
    try {
      return await this.putParts({ ...this.locate(key), UploadId: UploadId! }, first, parts);
    } catch (error) {
      source.destroy();
      const abort = new AbortMultipartUploadCommand({ ...this.locate(key), UploadId });
      await this.client.send(abort).catch(() => undefined); // deleteUnfinished does it later
      throw error;
    }
  }

  /** Every S3 server answers with the entity tag of what it has stored; a proxy that answers 200 in its place does not. */
  private async putObject(object: PutObjectCommandInput): Promise<void> {
    const { ETag } = await this.client.send(new PutObjectCommand(object));
    if (ETag === undefined) throw new Error('the answer to PutObject has no ETag: it is not from an S3 server');
  }

  private putParts(upload: Multipart, first: Buffer, rest: AsyncGenerator<Buffer>): Promise<number> {
    return this.send(async () => {
      let size = 0;
      const Parts: { ETag: string | undefined; PartNumber: number }[] = [];
      const put = async (Body: Buffer): Promise<void> => {
        const PartNumber = Parts.length + 1;
        const { ETag } = await this.client.send(new UploadPartCommand({ ...upload, PartNumber, Body }));
        Parts.push({ ETag, PartNumber });
        size += Body.length;
      };
      await put(first);
      for await (const part of rest) await put(part);
      await this.client.send(new CompleteMultipartUploadCommand({ ...upload, MultipartUpload: { Parts } }));
      return size;
    });
  }

  override async deleteUnfinished(folder: string, before: Date): Promise<void> {
    const list = new ListMultipartUploadsCommand({ Bucket: this.bucket, Prefix: folder });
    // Servers that cannot list them delete them by a rule of the bucket.
    const { Uploads = [] } = await this.client.send(list).catch((): { Uploads?: MultipartUpload[] } => ({}));
    for (const { Key, UploadId, Initiated } of Uploads) {
      // Some servers ignore the prefix. The bucket may have uploads of other applications.
      if (!Key?.startsWith(folder) || !Initiated || Initiated >= before) continue;
      await this.send(() => this.client.send(new AbortMultipartUploadCommand({ ...this.locate(Key), UploadId })));
    }
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

  override async findSignedUrl(key: string, seconds: number): Promise<string> {
    assertKey(key);
    return this.send(() => getSignedUrl(this.client, new GetObjectCommand(this.locate(key)), { expiresIn: seconds }));
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
      if (error instanceof Problem) throw error; // of the source
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

/** Chunks of PART_BYTES; the last one may be smaller. */
async function* partsOf(source: Readable): AsyncGenerator<Buffer> {
  let chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of source as AsyncIterable<Buffer>) {
    chunks.push(chunk);
    length += chunk.length;
    while (length >= PART_BYTES) {
      const bytes = Buffer.concat(chunks);
      yield bytes.subarray(0, PART_BYTES);
      chunks = [bytes.subarray(PART_BYTES)];
      length -= PART_BYTES;
    }
  }
  if (length > 0) yield Buffer.concat(chunks);
}
