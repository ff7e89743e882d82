import type { Config } from '../../config/config.js';
import type { PersonalDataSource } from '../../personal-data/personal-data.js';

/** What the first file of an export says. */
export function exportReadme(
  { APP_NAME, publicUrl }: Pick<Config, 'APP_NAME' | 'publicUrl'>,
  at: Date,
  sources: PersonalDataSource[],
): string {
  const folders = sources.map(({ module, tables }) => {
    const names = Object.values(tables).map(({ file }) => file);
    const files = [...new Set(names.filter((file) => file !== null))].toSorted((a, b) => a.localeCompare(b));
    return `${module}/\n${files.map((file) => `    ${file}\n`).join('')}`;
  });
  return `Everything that ${APP_NAME} (${publicUrl}) stores about you, as of ${at.toISOString()}.

Keep this archive where nobody else can read it. Files are JSON in UTF-8; times are in UTC. Images and uploaded files are in the
folder of their module. A file whose list is empty says that there is nothing.

${folders.join('\n')}
Not in this archive:

- Passwords, keys, codes and tokens: only hashes, public halves or encrypted forms of them are stored. Texts of messages that were
  mailed to you are erased once they are sent.
- National ids in full: only their last four characters. Your own is in your profile.
- The images of chapters that you have published: download each chapter as an archive.
- What is about other people: who has blocked you, messages of others, records that you made as staff or as a moderator. What you
  did is in audit/events.json.
`;
}
