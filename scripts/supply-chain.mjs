// Checks what is installed: known vulnerabilities, licences, secrets in files. `npm run supply-chain`.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { lintSource } from '@secretlint/core';
import { creator as recommended } from '@secretlint/secretlint-rule-preset-recommend';
import { Ajv } from 'ajv';
import satisfies from 'spdx-satisfies';

const root = fileURLToPath(new URL('..', import.meta.url));
const read = (path) => JSON.parse(readFileSync(root + path, 'utf8'));
const { licences, packages: exceptions, advisories } = read('.ci/accepted.json');
const run = (command, args) => spawnSync(command, args, { cwd: root, encoding: 'utf8', maxBuffer: 64 * 1024 * 1024 });
/** Rules that find secrets. Passwords in addresses of databases that tests use are allowed. */
const SECRETS = {
  rules: [
    {
      id: '@secretlint/secretlint-rule-preset-recommend',
      rule: recommended,
      rules: [
        {
          id: '@secretlint/secretlint-rule-database-connection-string',
          options: { allows: ['/:(test|unused|wrong|p%2Fw|secret[#%]1?)@/'] },
        },
      ],
    },
  ],
};
const GENERATED = ['package-lock.json', 'openapi.json', 'asyncapi.json'];
const RENOVATE = '41.173.1';
const faults = [];

/** Each advisory must be fixed, or explained in .ci/accepted.json until a date. */
function checkAdvisories() {
  const { stdout } = run('npm', ['audit', '--json']);
  let report;
  try {
    report = JSON.parse(stdout);
  } catch {
    report = {};
  }
  if (!report.vulnerabilities) {
    console.log('Advisories: NOT checked, because the registry does not offer npm audit.');
    return;
  }
  const found = Object.values(report.vulnerabilities).flatMap(({ via }) =>
    via.filter((each) => typeof each === 'object'),
  );
  const today = new Date().toISOString().slice(0, 10);
  const isAccepted = ({ url }) => advisories.some((each) => url.endsWith(each.id) && each.until >= today);
  for (const { name, title, url } of found.filter((each) => !isAccepted(each))) faults.push(`${name}: ${title} ${url}`);
  for (const { id, until } of advisories) {
    if (!found.some(({ url }) => url.endsWith(id)))
      faults.push(`${id} is accepted in .ci/accepted.json, but not found any more`);
    if (until < today) faults.push(`${id} was accepted until ${until}: fix it, or explain it again`);
  }
  console.log(`Advisories: ${found.length} found, ${advisories.length} accepted`);
}

/** Each package that is installed in production has an accepted licence. */
function checkLicences() {
  const { packages } = read('package-lock.json');
  const counts = {};
  for (const [path, { license, dev, optional, name }] of Object.entries(packages)) {
    if (path === '' || dev || path.startsWith('clients/')) continue;
    const id = name ?? path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length);
    const licence = license ?? exceptions[id]?.licence ?? 'none';
    counts[licence] = (counts[licence] ?? 0) + 1;
    if (!isAllowed(licence) && exceptions[id]?.licence !== licence)
      faults.push(`${id}${optional ? ' (optional)' : ''} has the licence ${licence}: see .ci/accepted.json`);
  }
  const list = Object.entries(counts).sort(([, a], [, b]) => b - a);
  console.log(`Licences: ${list.map(([licence, count]) => `${licence} ${count}`).join(', ')}`);
}

function isAllowed(licence) {
  try {
    return satisfies(licence, licences);
  } catch {
    return false; // no SPDX expression
  }
}

/** Keys, tokens and passwords in files of the repository. */
async function checkSecrets() {
  // -z: without it, git quotes names with special characters, under which no file would be found.
  const files = run('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'])
    .stdout.split('\0')
    .filter((file) => file !== '' && !GENERATED.includes(file) && existsSync(root + file));
  for (const file of files) {
    const content = readFileSync(root + file, 'utf8');
    if (content.includes('\0')) continue; // no text
    const source = { filePath: root + file, content, contentType: 'text' };
    const { messages } = await lintSource({ source, options: { config: SECRETS, maskSecrets: true } });
    for (const { message, loc } of messages) faults.push(`${file}:${loc.start.line}: ${message}`);
  }
  console.log(`Secrets: ${files.length} files searched`);
}

/** renovate.json by the schema of Renovate, which is in its package: read from the archive, since it is large to install. */
function checkRenovate() {
  const folder = mkdtempSync(join(tmpdir(), 'machi-renovate-'));
  try {
    const packed = run('npm', ['pack', `renovate@${RENOVATE}`, '--silent', '--pack-destination', folder]);
    const file = packed.stdout.trim().split('\n').at(-1);
    const found = file ? run('tar', ['xzOf', join(folder, file), 'package/renovate-schema.json']) : packed;
    if (packed.status !== 0 || found.status !== 0)
      return console.log('renovate.json: NOT checked, because the schema could not be got.');
    const validate = new Ajv({ strict: false, validateFormats: false, allErrors: true }).compile(
      JSON.parse(found.stdout),
    );
    if (!validate(read('renovate.json'))) {
      for (const { instancePath, message } of validate.errors) faults.push(`renovate.json: ${instancePath} ${message}`);
    }
    console.log(`renovate.json: checked by the schema of Renovate ${RENOVATE}`);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

checkAdvisories();
checkRenovate();
checkLicences();
await checkSecrets();
for (const fault of faults) console.error(fault);
process.exit(faults.length > 0 ? 1 : 0);
