// Loaded with `node --import` into a process under test: after SIGUSR2 the process kills itself once the next batch of messages
// is committed, before anything is sent to clients or other nodes.
import { MessageDeliveryService } from '../../dist/src/chat/messages/message-delivery.service.js';

const deliver = Object.getOwnPropertyDescriptor(MessageDeliveryService.prototype, 'deliver').value;

process.on('SIGUSR2', () => {
  MessageDeliveryService.prototype.deliver = function (batch, result) {
    if (result.outcomes.some(({ kind }) => kind === 'stored')) process.kill(process.pid, 'SIGKILL');
    else deliver.call(this, batch, result);
  };
});
