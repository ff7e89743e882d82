// Loaded with `node --import` into a server whose memory is measured: SIGUSR2 collects garbage.
import v8 from 'node:v8';
import vm from 'node:vm';

v8.setFlagsFromString('--expose-gc');
const collect = vm.runInNewContext('gc');
process.on('SIGUSR2', () => collect());
