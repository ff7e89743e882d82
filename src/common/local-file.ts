/** A part of a file of this machine, from `offset` to its end. */
export interface LocalFile {
  path: string;
  offset: number;
}
