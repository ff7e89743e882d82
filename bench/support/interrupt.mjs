// A bench that is interrupted stops the servers that it has started.
const stops = new Set();

/** Registers how to stop something. Returns a function that does it. */
export function stopOnInterrupt(stop) {
  stops.add(stop);
  return async () => {
    stops.delete(stop);
    await stop();
  };
}

async function stopAll() {
  while (stops.size > 0) {
    const last = [...stops].at(-1);
    stops.delete(last);
    await Promise.resolve(last()).catch(console.error);
  }
  process.exit(130);
}

for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => void stopAll());
