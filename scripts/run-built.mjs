// Runs a program of dist/src with the settings of `npm start`, in this process, so that signals reach it.
import { existsSync } from 'node:fs';
import module from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { prepare, root } from './prepare.mjs';

/** Prepares the checkout first. The path is relative to dist/src. */
export async function runBuilt(path) {
  await prepare();
  process.chdir(root); // DATA_DIR and .env are relative to package.json, not to the caller's directory
  if (existsSync('.env')) process.loadEnvFile('.env');
  process.env.NODE_ENV ||= 'development';
  process.setSourceMapsEnabled(true);
  // Node.js 22 and newer keep what they compile for later starts. In the checkout, since anybody could write to the default folder.
  module.enableCompileCache?.(join(root, 'node_modules/.cache/machi'));
  await import(pathToFileURL(join(root, 'dist/src', path)).href);
}
