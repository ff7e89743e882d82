declare module 'cluster-key-slot' {
  /** The hash slot, 0 to 16383, of a key or channel of a Redis Cluster. */
  export default function calculateSlot(key: string): number;
}
