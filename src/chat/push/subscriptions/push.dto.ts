import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { Type } from 'class-transformer';
import { IsNumber, IsObject, IsOptional, IsString, MaxLength, ValidateBy, ValidateNested } from 'class-validator';
import { ECDH } from 'node:crypto';
import { MAX_ENDPOINT } from './push-endpoint.js';

const BASE64URL = /^[A-Za-z0-9_-]+={0,2}$/;

const bytesOf = (value: unknown): Buffer =>
  typeof value === 'string' && BASE64URL.test(value) ? Buffer.from(value, 'base64url') : Buffer.alloc(0);

/** Whether a text is an uncompressed point of P-256. Another one could not be used to encrypt. */
function isPublicKey(value: unknown): boolean {
  const point = bytesOf(value);
  if (point.length !== 65 || point[0] !== 4) return false;
  try {
    ECDH.convertKey(point, 'prime256v1');
    return true;
  } catch {
    return false;
  }
}

const satisfies = (name: string, message: string, validate: (value: unknown) => boolean): PropertyDecorator =>
  ValidateBy({ name, validator: { validate, defaultMessage: () => `$property ${message}` } });

/** The keys of a subscription, as `PushSubscription.toJSON()` writes them: base64url. */
export class PushKeysDto {
  /**
   * The public key of the browser, a point of P-256.
   * @example BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4
   */
  @satisfies('isPublicKey', 'must be an uncompressed P-256 public key as base64url', isPublicKey)
  @ApiProperty({ type: 'string', minLength: 87, maxLength: 88 })
  p256dh: string;
  /**
   * The authentication secret, 16 bytes.
   * @example BTBZMqHH6r4Tts7J_aSIgg
   */
  @satisfies('isAuthSecret', 'must be 16 bytes as base64url', (value) => bytesOf(value).length === 16)
  @ApiProperty({ type: 'string', minLength: 22, maxLength: 24 })
  auth: string;
}

/** A subscription of a browser, as `PushSubscription.toJSON()` returns it. */
export class CreatePushSubscriptionDto {
  /**
   * A URL of the push service of the browser.
   * @example https://push.example.org/send/gAAAAABh
   */
  @IsString() @MaxLength(MAX_ENDPOINT) endpoint: string;
  @IsObject() @ValidateNested() @Type(() => PushKeysDto) keys: PushKeysDto;
  /**
   * Is ignored: an expired subscription is removed when the push service answers so.
   * @example 1767225600000
   */
  @IsOptional()
  @IsNumber()
  @ApiPropertyOptional({ type: 'number', nullable: true })
  expirationTime?: number | null;
}

/** A browser in which the caller has turned pushes on. Without its endpoint and keys. */
export class PushSubscriptionDto {
  /** @example 0199c2a4-6f00-7a11-9c55-0b1d2e3f4a5a */
  @ApiProperty({ format: 'uuid' })
  id: string;
  /**
   * The host of the push service.
   * @example push.example.org
   */
  service: string;
  /**
   * Whether it belongs to the session of this request.
   * @example true
   */
  is_current: boolean;
  created_at: Date;
}

/** The subscriptions of the caller, oldest first. */
export class PushSubscriptionsDto {
  items: PushSubscriptionDto[];
}

/** The key of this server. */
export class PushKeyDto {
  /**
   * Browsers take it as `applicationServerKey`: a point of P-256 as base64url (RFC 8292).
   * @example BP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A8
   */
  public_key: string;
}

/** The keys as bytes. */
export const keysOf = ({ p256dh, auth }: PushKeysDto): { p256dh: Buffer; auth: Buffer } => ({
  p256dh: bytesOf(p256dh),
  auth: bytesOf(auth),
});
