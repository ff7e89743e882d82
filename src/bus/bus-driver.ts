/** A frame as it travels: one per flush and partition. */
export interface WireFrame {
  partition: number;
  /** JSON. */
  header: string;
  /** What the header describes; null if the driver's limit did not allow it, so that receivers have to read it from PostgreSQL. */
  body: Buffer | null;
}

/** The events that a driver reports to the bus. */
export interface BusReceiver {
  onFrame(frame: WireFrame): void;
  /** Frames can be received now. Whatever was published before may be lost. */
  onConnected(): void;
  /** Frames cannot be received for now. */
  onDisconnected(reason: string): void;
}

/** Carries frames to all other nodes. Frames may be lost; those of one publisher and partition arrive in their order. */
export interface BusDriver {
  /** The number of partitions, over which an engine can spread the load. */
  readonly partitions: number;
  /** The partitions that carry heartbeats: one of each part of the engine that can fail by itself. */
  readonly heartbeatPartitions: readonly number[];
  /** The number of bytes that a frame may have; headers and bodies are measured with `sizeOf`. */
  readonly maxBytes: number;
  /** The number of frames that could not be published. */
  readonly failures: number;
  /** Bytes of a frame with a header and a body of these lengths. */
  sizeOf(headerBytes: number, bodyBytes: number): number;
  start(receiver: BusReceiver): void;
  /** Never throws. A frame that cannot be published is lost, and the receivers notice the gap. */
  publish(frames: WireFrame[]): void;
  /** Closes a broken connection and opens another one. */
  reconnect(): void;
  stop(): Promise<void>;
}
