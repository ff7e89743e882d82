import { ValidateBy } from 'class-validator';
import { IANAZone } from 'luxon';

export const DEFAULT_TIME_ZONE = 'Asia/Dhaka';

/** An IANA time zone that this server knows, such as Asia/Dhaka. Offsets such as +06:00 are not names. */
export const IsTimeZone = (): PropertyDecorator =>
  ValidateBy({
    name: 'isTimeZone',
    validator: {
      validate: (value) => typeof value === 'string' && /^[A-Za-z]/.test(value) && IANAZone.isValidZone(value),
      defaultMessage: () => '$property must be an IANA time zone such as Asia/Dhaka',
    },
  });
