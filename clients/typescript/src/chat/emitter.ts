type Listener<Data> = (data: Data) => void;

/** Calls a listener. Its error is reported as an uncaught one, so that it does not keep the chat from working. */
export function callListener<Data>(listener: Listener<Data>, data: Data): void {
  try {
    listener(data);
  } catch (error) {
    queueMicrotask(() => {
      throw error;
    });
  }
}

/** Calls listeners by the name of an event. */
export class Emitter<Events> {
  private readonly listeners = new Map<keyof Events, Set<Listener<never>>>();

  /** Returns a function that removes the listener. */
  on<Name extends keyof Events>(name: Name, listener: Listener<Events[Name]>): () => void {
    const listeners = this.listeners.get(name) ?? new Set();
    this.listeners.set(name, listeners.add(listener));
    return () => listeners.delete(listener);
  }

  emit<Name extends keyof Events>(name: Name, data: Events[Name]): void {
    for (const listener of this.listeners.get(name) ?? []) callListener(listener as Listener<Events[Name]>, data);
  }
}
