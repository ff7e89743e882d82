import { hasLength } from '../../../common/text.js';

const MAX_LENGTH = 255;
/** Control characters, marks that change the direction of text, and what decoders put in place of invalid bytes. */
const UNPRINTABLE = /[\p{Cc}\p{Cs}\u2028\u2029\u202a-\u202e\u2066-\u2069\ufffd]/u;

/** Whether the name of a file can be shown. Files are stored under their ids, so no name reaches a file system. */
export const isFileName = (name: string): boolean => hasLength(name, 1, MAX_LENGTH) && !UNPRINTABLE.test(name);

/** The same for names that a user, or a system that ignores case, cannot tell apart. */
export const nameKeyOf = (name: string): string => name.normalize('NFKC').toUpperCase().toLowerCase().normalize('NFKC');
