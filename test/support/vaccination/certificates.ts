import { execFileSync, spawnSync } from 'node:child_process';
import { join } from 'node:path';

export interface Certificates {
  /** Paths of PEM files. */
  authority: string;
  otherAuthority: string;
  server: { cert: string; key: string };
  client: { cert: string; key: string };
}

export const hasOpenssl = spawnSync('openssl', ['version']).status === 0;

const KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2'];

/** Creates two authorities, a certificate for the server name `localhost`, and one for the client `machi`. Needs openssl. */
export function createCertificates(folder: string): Certificates {
  const path = (name: string): string => join(folder, name);
  const create = (name: string, subject: string, ...options: string[]): { cert: string; key: string } => {
    const [cert, key] = [path(`${name}.pem`), path(`${name}.key`)];
    const args = ['req', '-x509', ...KEY, '-keyout', key, '-out', cert, '-subj', `/CN=${subject}`, ...options];
    execFileSync('openssl', args, { stdio: 'pipe' });
    return { cert, key };
  };
  const authority = create('authority', 'Test authority');
  const signed = ['-CA', authority.cert, '-CAkey', authority.key, '-addext', 'basicConstraints=critical,CA:FALSE'];
  return {
    authority: authority.cert,
    otherAuthority: create('other', 'Other authority').cert,
    server: create('server', 'localhost', ...signed, '-addext', 'subjectAltName=DNS:localhost'),
    client: create('client', 'machi', ...signed),
  };
}
