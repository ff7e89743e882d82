// What a client developer writes with openapi-typescript and openapi-fetch. It is compiled, not run.
import createClient from 'openapi-fetch';
import type { components, paths } from './generated/openapi-types';

const client = createClient<paths>({ baseUrl: 'https://machi.example.org' });
type Problem = components['schemas']['Problem'];

/** Signs in, with a two-factor code if the user has switched that on. */
export async function signIn(login: string, password: string, code: () => Promise<string>): Promise<string> {
  const { data, error } = await client.POST('/api/sessions', { body: { login, password } });
  if (data) return data.identity_token;
  if (error.code !== 'two_step_required') throw new Error(explain(error));
  const body = { challenge: error.challenge, code: await code() };
  const second = await client.POST('/api/sessions/two-factor', { body });
  if (second.data) return second.data.identity_token;
  throw new Error(explain(second.error));
}

/** Every code belongs to one schema, so comparing it tells the members. */
function explain(problem: Problem): string {
  if (problem.code === 'validation_failed') return problem.errors.map(({ path, message }) => path + message).join();
  if (problem.code === 'not_ready') return problem.checks.database;
  return `${problem.detail} (${problem.request_id})`;
}

export async function listNames(q: string): Promise<string[]> {
  const names: string[] = [];
  let cursor: string | undefined;
  do {
    const { data, error } = await client.GET('/api/users', { params: { query: { q, cursor, limit: 100 } } });
    if (error) throw new Error(explain(error));
    names.push(...data.items.map(({ username }) => username));
    cursor = data.next_cursor ?? undefined;
  } while (cursor !== undefined);
  return names;
}

/** Other users have no `email`, the caller has. */
export async function getEmail(id: string): Promise<string | null> {
  const { data } = await client.GET('/api/users/{id}', { params: { path: { id } } });
  return data && 'email' in data ? data.email : null;
}

export async function uploadAvatar(file: Blob): Promise<string> {
  const { data, error } = await client.PUT('/api/users/me/avatar', {
    body: { avatar: file },
    bodySerializer: ({ avatar }) => {
      const form = new FormData();
      form.set('avatar', avatar, 'avatar.png');
      return form;
    },
  });
  if (error?.code === 'avatar_locked') return error.locked_until;
  return data?.urls?.[256] ?? '';
}

export async function rename(fullname: string): Promise<void> {
  await client.PATCH('/api/users/me', { body: { fullname, address: null } });
  await client.DELETE('/api/sessions/current');
}
