import { describe, expect, it } from 'vitest';
import { isPushEndpoint } from './push-endpoint.js';

const REFUSED = [
  'http://push.example.org/a',
  'https://user@push.example.org/a',
  'https://push.example.org:8443/a',
  'https://push.example.org/a#b',
  'https://localhost/a',
  'https://localhost./a',
  'https://push.localhost/a',
  'https://redis/a',
  'https://db.internal/a',
  'https://printer.local/a',
  'https://router.home.arpa/a',
  'https://127.0.0.1/a',
  'https://2130706433/a',
  'https://0x7f.1/a',
  'https://169.254.169.254/latest/meta-data',
  'https://93.184.216.34/a',
  'https://[::1]/a',
  'https://[::ffff:10.0.0.1]/a',
  'http://10.0.0.1/a',
  'http://169.254.169.254/a',
  'ftp://push.example.org/a',
  'file:///etc/passwd',
  'push.example.org/a',
  'https://',
  '',
  `https://push.example.org/${'a'.repeat(2000)}`,
  `https://push.example.org/${'町'.repeat(300)}`,
];

describe('isPushEndpoint', () => {
  it.each([
    'https://fcm.googleapis.com/fcm/send/dGVzdA:APA91b',
    'https://updates.push.services.mozilla.com/wpush/v2/gAAAAA',
    'https://web.push.apple.com/QGuQyavXutnMH',
    'https://wns2-par02p.notify.windows.com/w/?token=BQYAAA%3d%3d',
  ])('accepts %s', (endpoint) => {
    expect(isPushEndpoint(endpoint, true)).toBe(true);
  });

  it.each(REFUSED)('refuses %s in every profile', (endpoint) => {
    expect([isPushEndpoint(endpoint, true), isPushEndpoint(endpoint, false)]).toEqual([false, false]);
  });

  it('accepts http on the loopback interface outside production only', () => {
    const endpoint = 'http://127.0.0.1:9000/push/1';
    expect([isPushEndpoint(endpoint, true), isPushEndpoint(endpoint, false)]).toEqual([false, true]);
  });
});
