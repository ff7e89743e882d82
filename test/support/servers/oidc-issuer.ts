import { exportJWK, type JWK, SignJWT } from 'jose';
import { generateKeyPairSync, type KeyObject, randomBytes, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type KoaContextWithOIDC, Provider } from 'oidc-provider';

type Handler = (request: IncomingMessage, response: ServerResponse) => unknown;

/** A server on the loopback interface whose behaviour can be exchanged while it runs; it counts what it is asked for. */
export async function listen(handler: Handler) {
  const asked: string[] = [];
  const current = { handler };
  const server: Server = createServer((request, response) => {
    asked.push(request.url!);
    current.handler(request, response);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    current,
    /** How often this path has been asked for. */
    count: (path: string) => asked.filter((url) => url === path).length,
    async stop() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

const json = (response: ServerResponse, body: unknown) =>
  response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(body));

const CLIENT = { client_id: 'site', client_secret: randomBytes(24).toString('hex') };
const REDIRECT = 'http://127.0.0.1/callback';
export const AUDIENCE = 'https://machi.example';

async function newProvider(issuer: string, accounts: Map<string, object>): Promise<Provider> {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const key: JWK = { ...(await exportJWK(privateKey)), kid: randomUUID(), use: 'sig', alg: 'ES256' };
  const provider: Provider = new Provider(issuer, {
    clients: [
      {
        ...CLIENT,
        redirect_uris: [REDIRECT],
        grant_types: ['authorization_code', 'client_credentials'],
        response_types: ['code'],
        id_token_signed_response_alg: 'ES256',
      },
    ],
    jwks: { keys: [key] },
    cookies: { keys: [randomBytes(16).toString('hex')] },
    claims: {
      openid: ['sub'],
      profile: ['name', 'preferred_username', 'groups', 'roles'],
      email: ['email', 'email_verified'],
    },
    conformIdTokenClaims: false,
    findAccount: (_: KoaContextWithOIDC, id: string) => ({
      accountId: id,
      claims: () => ({ sub: id, ...accounts.get(id) }),
    }),
    extraTokenClaims: (_: KoaContextWithOIDC, token) =>
      'accountId' in token && token.accountId ? { ...accounts.get(token.accountId) } : undefined,
    loadExistingGrant: async (context: KoaContextWithOIDC) => {
      const { client, session } = context.oidc;
      const grant = new provider.Grant({ clientId: client!.clientId, accountId: session!.accountId! });
      grant.addOIDCScope('openid profile email');
      grant.addResourceScope(AUDIENCE, 'api');
      await grant.save();
      return grant;
    },
    interactions: { url: (_: KoaContextWithOIDC, { uid }) => `/interaction/${uid}` },
    ttl: { AccessToken: 3600, ClientCredentials: 3600, IdToken: 3600, Grant: 3600, Interaction: 3600, Session: 3600 },
    features: {
      devInteractions: { enabled: false },
      clientCredentials: { enabled: true },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => AUDIENCE,
        useGrantedResource: () => true,
        getResourceServerInfo: () => ({
          scope: 'api',
          audience: AUDIENCE,
          accessTokenFormat: 'jwt',
          jwt: { sign: { alg: 'ES256' } },
        }),
      },
    },
  });
  // The named user is signed in without a form.
  provider.use(async (context, next) => {
    if (!context.path.startsWith('/interaction/')) return next();
    const { params } = await provider.interactionDetails(context.req, context.res);
    await provider.interactionFinished(context.req, context.res, {
      login: { accountId: params['login_hint'] as string },
    });
    return undefined;
  });
  return provider;
}

/** An OpenID provider with users. */
export async function startProvider() {
  const accounts = new Map<string, object>();
  const server = await listen((_, response) => response.writeHead(500).end());
  const rotate = async (): Promise<void> => {
    const provider = await newProvider(server.url, accounts);
    server.current.handler = (request, response) => void provider.callback()(request, response);
  };
  await rotate();

  const token = async (body: Record<string, string>) => {
    const basic = Buffer.from(`${CLIENT.client_id}:${CLIENT.client_secret}`).toString('base64');
    const response = await fetch(`${server.url}/token`, {
      method: 'POST',
      headers: { authorization: `Basic ${basic}` },
      body: new URLSearchParams(body),
    });
    const answer = (await response.json()) as { access_token: string; id_token: string };
    if (!response.ok) throw new Error(JSON.stringify(answer));
    return answer;
  };

  return {
    ...server,
    issuer: server.url,
    clientId: CLIENT.client_id,
    /** New keys, and the old ones gone. */
    rotate,
    /** By the authorization code flow, as a browser walks it. */
    async signIn(subject: string, claims: object = {}) {
      accounts.set(subject, claims);
      const verifier = randomBytes(32).toString('base64url');
      const digest = Buffer.from(await crypto.subtle.digest('SHA-256', Buffer.from(verifier))).toString('base64url');
      const query = new URLSearchParams({
        client_id: CLIENT.client_id,
        redirect_uri: REDIRECT,
        response_type: 'code',
        scope: 'openid profile email api',
        nonce: randomUUID(),
        login_hint: subject,
        code_challenge: digest,
        code_challenge_method: 'S256',
      });
      const jar = new Map<string, string>();
      let location = `${server.url}/auth?${query.toString()}`;
      while (!location.startsWith(REDIRECT)) {
        const cookie = [...jar].map((pair) => pair.join('=')).join('; ');
        const response = await fetch(location, { redirect: 'manual', headers: { cookie } });
        for (const line of response.headers.getSetCookie()) {
          const [, name, value] = /^([^=]+)=([^;]*)/.exec(line)!;
          jar.set(name!, value!);
        }
        const next = response.headers.get('location');
        if (next === null) throw new Error(`${location}: ${response.status} ${await response.text()}`);
        location = new URL(next, location).href;
      }
      const code = new URL(location).searchParams.get('code');
      if (code === null) throw new Error(location);
      return token({ grant_type: 'authorization_code', code, redirect_uri: REDIRECT, code_verifier: verifier });
    },
    /** A token of a program, without a person. */
    program: () => token({ grant_type: 'client_credentials', scope: 'api', resource: AUDIENCE }),
  };
}

/** An issuer made by hand, that can do everything wrong. Tokens are as they should be but for what a test says. */
export async function startIssuer() {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const kid = randomUUID();
  const keys: JWK[] = [{ ...(await exportJWK(publicKey)), kid, alg: 'ES256', use: 'sig' }];
  const routes: Record<string, Handler> = {};
  const server = await listen((request, response) => {
    const route = routes[request.url!];
    if (route) route(request, response);
    else response.writeHead(404).end();
  });
  const honest: Record<string, Handler> = {
    '/.well-known/openid-configuration': (_, response) =>
      json(response, { issuer: server.url, jwks_uri: `${server.url}/jwks` }),
    '/jwks': (_, response) => json(response, { keys }),
  };
  Object.assign(routes, honest);
  return {
    ...server,
    issuer: server.url,
    kid,
    privateKey,
    publicKey,
    /** What it publishes; can be added to. */
    keys,
    routes,
    /** Takes back what a test has done to `routes`. */
    reset: () => Object.assign(routes, honest),
    json,
    sign(
      claims: Record<string, unknown> = {},
      header: Record<string, unknown> = {},
      key: KeyObject | Uint8Array = privateKey,
    ) {
      const now = Math.floor(Date.now() / 1000);
      const body = { iss: server.url, aud: AUDIENCE, sub: randomUUID(), iat: now, exp: now + 3600, ...claims };
      return new SignJWT(body).setProtectedHeader({ alg: 'ES256', kid, typ: 'at+jwt', ...header }).sign(key);
    },
  };
}
