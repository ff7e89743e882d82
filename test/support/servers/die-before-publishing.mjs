// Loaded with `node --import` into a process under test: after SIGUSR2 the process kills itself once the next batch of messages
// is committed, before anything is sent to clients or other nodes.
import 'reflect-metadata';

// The class is changed when it is decorated, since a file of the bundle exports it under a short name.
const { decorate } = Reflect;
Reflect.decorate = (decorators, target, key, descriptor) => {
  const decorated = decorate(decorators, target, key, descriptor);
  if (key === undefined && target.name === 'MessageDeliveryService') dieOnSignal(decorated.prototype);
  return decorated;
};

function dieOnSignal(prototype) {
  const { deliver } = prototype;
  process.on('SIGUSR2', () => {
    prototype.deliver = function (batch, result) {
      if (result.outcomes.some(({ kind }) => kind === 'stored')) process.kill(process.pid, 'SIGKILL');
      else deliver.call(this, batch, result);
    };
  });
}
