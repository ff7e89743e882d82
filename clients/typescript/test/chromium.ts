import { existsSync } from 'node:fs';
import { type Browser, chromium } from 'playwright-core';

const PATHS = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];

/** The Chromium of this machine; `CHROMIUM` names another one. */
export const chromiumPath = process.env['CHROMIUM'] || PATHS.find((path) => existsSync(path));

if (chromiumPath === undefined)
  process.stderr.write(
    '\nThe tests in Chromium were SKIPPED: install Chromium (apt-get install chromium) or set CHROMIUM.\n\n',
  );

export const launchChromium = (): Promise<Browser> =>
  chromium.launch({ executablePath: chromiumPath!, args: ['--no-sandbox', '--disable-dev-shm-usage'] });
