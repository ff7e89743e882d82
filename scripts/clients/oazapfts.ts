// What a client developer writes with the functions of oazapfts. It is compiled, not run.
import {
  getMe,
  getUser,
  listUsers,
  signIn,
  signInWithTwoFactorCode,
  signOut,
  updateMe,
  uploadAvatar,
  type GeneralProblem,
  type TwoFactorRequiredProblem,
  type UserDto,
  type ValidationProblem,
} from './generated/oazapfts';

/** The status of an answer tells the type of its data, and the code of a problem its members. */
export async function openSession(login: string, password: string, code: () => Promise<string>): Promise<string> {
  const first = await signIn({ login, password });
  if (first.status === 201) return first.data.identity_token;
  if (first.status !== 401 || first.data.code !== 'two_step_required') throw new Error(explain(first.data));
  const second = await signInWithTwoFactorCode({ challenge: first.data.challenge, code: await code() });
  if (second.status === 201) return second.data.identity_token;
  throw new Error(explain(second.data));
}

function explain(problem: GeneralProblem | ValidationProblem | TwoFactorRequiredProblem): string {
  if (problem.code === 'validation_failed') return problem.errors.map(({ path, message }) => path + message).join();
  return `${problem.detail} (${problem.request_id})`;
}

export async function listNames(q: string, cursor?: string): Promise<string[]> {
  const { status, data } = await listUsers({ q, cursor, limit: 100 });
  if (status !== 200) throw new Error(data.detail);
  const names = data.items.map(({ username }) => username);
  return data.next_cursor === null ? names : [...names, ...(await listNames(q, data.next_cursor))];
}

export async function getEmail(id: string): Promise<string | null> {
  const { status, data } = await getUser(id);
  return status === 200 && 'email' in data ? data.email : null;
}

export async function replaceAvatar(avatar: Blob): Promise<string> {
  const answer = await uploadAvatar({ avatar });
  if (answer.status === 403 && answer.data.code === 'avatar_locked') return answer.data.locked_until;
  return answer.status === 201 || answer.status === 202 ? (answer.data.urls?.[256] ?? '') : '';
}

export async function rename(fullname: string): Promise<UserDto | undefined> {
  await updateMe({ fullname, address: null });
  const me = await getMe();
  await signOut();
  return me.status === 200 ? me.data : undefined;
}
