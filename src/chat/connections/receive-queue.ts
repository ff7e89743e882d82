/** What may wait, in frames and in characters, before the connection is read no further. */
const MAX_FRAMES = 64;
const MAX_CHARACTERS = 64 * 1024;

/** Frames of a connection that were received and not yet handled; undefined is one that is not text. */
export class ReceiveQueue {
  private frames: (string | undefined)[] = [];
  private characters = 0;

  get length(): number {
    return this.frames.length;
  }

  get isFull(): boolean {
    return this.frames.length >= MAX_FRAMES || this.characters >= MAX_CHARACTERS;
  }

  push(text: string | undefined): void {
    this.frames.push(text);
    this.characters += text?.length ?? 0;
  }

  /** The oldest. */
  shift(): string | undefined {
    const text = this.frames.shift();
    this.characters -= text?.length ?? 0;
    return text;
  }

  clear(): void {
    this.frames = [];
    this.characters = 0;
  }
}
