import { Matches } from 'class-validator';

/** The code of a vaccine or a centre. Compared without regard to case. */
export const IsCatalogueCode = (): PropertyDecorator =>
  Matches(/^[A-Za-z0-9._-]{1,40}$/, {
    message: '$property must be 1 to 40 letters, digits, dots, hyphens or underscores',
  });
