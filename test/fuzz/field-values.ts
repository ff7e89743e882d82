import type { Operation } from './api-document.js';
import type { Json } from './values.js';

/** Valid values by the name of a field or query parameter; others take the example of their schema. */
export const FIELDS: Record<string, Json[]> = {
  username: ['{{fresh.username}}'],
  login: ['{{own.username}}', '{{own.email}}'],
  email: ['{{fresh.email}}', '{{own.email}}', '{{mail.address}}'],
  password: ['{{own.password}}', '{{fresh.password}}'],
  current_password: ['{{own.password}}', '{{own.password}}', '{{fresh.password}}'],
  new_password: ['{{own.password}}'],
  phone_number: ['+81312345678'],
  code: ['{{totp}}', '{{mail.code}}', '{{recovery_code}}'],
  code_from_user: ['{{mail.code}}'],
  challenge: ['{{challenge}}'],
  reset_token: ['{{reset_token}}'],
  refresh_token: ['{{own.refresh_token}}', '{{refresh_token}}'],
  token: ['{{fresh.username}}', '{{mail.link}}', '{{identity_token}}'],
  provider: ['trusted-subject'],
  name: ['{{fresh.username}}'],
  vaccine_id: ['{{vaccine}}'],
  centre_id: ['{{centre}}'],
  registration_id: ['{{registration}}'],
  session_id: ['{{vaccination_session}}'],
  appointment_id: ['{{appointment}}'],
  lot_id: ['{{lot}}'],
  dose_id: ['{{dose}}'],
  project_id: ['{{project}}'],
  chapter_id: ['{{chapter}}'],
  page_ids: [['{{page}}'], ['{{page}}', '{{page}}']],
  file_ids: [['{{own.upload_file}}']],
  release_group_ids: [[], ['{{release_group}}']],
  release_group: ['{{release_group}}'],
  version: [1, 2, 3], // of rows that have changed little
  vaccine: ['{{vaccine}}'],
  centre: ['{{centre}}'],
  min_interval_days: [0], // the first dose has no intervals
  recommended_interval_days: [0],
  grace_days: [0],
};

/** Valid values where the operation decides what a field means. */
const OPERATION_FIELDS: [operation: RegExp, field: string, values: Json[]][] = [
  [/^POST \/api\/(login|auth\/login|v1\/Session\/login)$/, 'username', FIELDS['login']!],
  [/ \/api\/vaccination\/(vaccines|centres)/, 'code', FIELDS['name']!],
  [/^POST \/api\/vaccination\/registrations$/, 'id_number', ['2612345678901', '2612345678902', '1990261234567']],
  [/\/(chapters|commit)/, 'number', ['{{fresh.number}}', null]],
  [/\/projects/, 'slug', FIELDS['name']!],
  [/two-(factor|step)/, 'code', ['{{totp}}', '{{totp}}', '{{recovery_code}}']],
];

/** The valid values that are known of a field. */
export const valuesOf = (field: string, { name: operation }: Operation): Json[] | undefined =>
  OPERATION_FIELDS.find(([pattern, name]) => name === field && pattern.test(operation))?.[2] ?? FIELDS[field];
