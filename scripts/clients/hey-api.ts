// What a client developer writes with the functions of @hey-api/openapi-ts. It is compiled, not run.
import {
  getMe,
  getUser,
  listUsers,
  signIn,
  signInWithTwoFactorCode,
  signOut,
  updateMe,
  uploadAvatar,
} from './generated/hey-api';
import type { Problem, UserDto } from './generated/hey-api';

export async function openSession(login: string, password: string, code: () => Promise<string>): Promise<string> {
  const { data, error } = await signIn({ body: { login, password } });
  if (data) return data.identity_token;
  if (error.code !== 'two_step_required') throw new Error(explain(error));
  const second = await signInWithTwoFactorCode({ body: { challenge: error.challenge, code: await code() } });
  if (second.data) return second.data.identity_token;
  throw new Error(explain(second.error));
}

function explain(problem: Problem): string {
  if (problem.code === 'validation_failed') return problem.errors.map(({ path, message }) => path + message).join();
  if (problem.code === 'not_ready') return problem.checks.database;
  return `${problem.detail} (${problem.request_id})`;
}

export async function listNames(q: string, cursor?: string): Promise<string[]> {
  const { data } = await listUsers({ query: { q, cursor, limit: 100 }, throwOnError: true });
  const names = data.items.map(({ username }) => username);
  return data.next_cursor === null ? names : [...names, ...(await listNames(q, data.next_cursor))];
}

export async function getEmail(id: string): Promise<string | null> {
  const { data } = await getUser({ path: { id } });
  return data && 'email' in data ? data.email : null;
}

export async function replaceAvatar(file: Blob): Promise<string> {
  const { data, error } = await uploadAvatar({ body: { avatar: file } });
  if (error?.code === 'avatar_locked') return error.locked_until;
  return data?.urls?.[256] ?? '';
}

export async function rename(fullname: string): Promise<UserDto> {
  await updateMe({ body: { fullname, address: null } });
  const { data } = await getMe({ throwOnError: true });
  await signOut();
  return data;
}
