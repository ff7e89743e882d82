import { MAX_PAGE_BYTES } from '../../images/image-jobs.js';

const MIB = 1024 * 1024;

/** The limits of an upload, and of an archive when it is unpacked. */
export const UPLOAD_LIMITS = {
  files: 500,
  /** Of all files together. */
  bytes: 300 * MIB,
  fileBytes: MAX_PAGE_BYTES,
  /** How many times larger than in the archive a file may be. */
  ratio: 100,
  /** Files up to this size may be compressed more: an empty page is. */
  ratioFromBytes: 128 * 1024,
} as const;

/** The files, and what a form or an archive adds to them. */
export const MAX_UPLOAD_BODY_BYTES = UPLOAD_LIMITS.bytes + 2 * MIB;
