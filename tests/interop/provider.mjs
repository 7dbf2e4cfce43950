// oidc-provider with its own pages and its memory store, on loopback. The first line of its input is the
// configuration; it says when it listens, and ends when its input does.
import { createInterface } from 'node:readline';
import Provider from 'oidc-provider';

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const { port, keys, clients, apis, opaqueApis = [], accessTokenSeconds, strictOffline } = JSON.parse((await lines.next()).value);

const provider = new Provider(`http://127.0.0.1:${port}`, {
  clients,
  jwks: { keys },
  cookies: { keys: ['interop'] },
  scopes: ['openid', 'offline_access'],
  claims: { openid: ['sub'], profile: ['name'] },
  pkce: { required: () => true },
  findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id, name: `${id} of the provider` }) }),
  rotateRefreshToken: true,
  ttl: { AccessToken: accessTokenSeconds },
  features: {
    devInteractions: { enabled: true },
    clientCredentials: { enabled: true },
    rpInitiatedLogout: { enabled: true },
    introspection: { enabled: true, allowedPolicy: (_, client) => client.clientAuthMethod !== 'none' },
    jwtIntrospection: { enabled: true },
    jwtUserinfo: { enabled: true },
    revocation: { enabled: true },
    resourceIndicators: {
      enabled: true,
      getResourceServerInfo: (_, resource) => ({
        audience: resource,
        scope: apis[resource],
        accessTokenFormat: opaqueApis.includes(resource) ? 'opaque' : 'jwt',
        accessTokenTTL: accessTokenSeconds,
        jwt: { sign: { alg: 'ES256' } },
      }),
    },
  },
  // By default only a request with prompt=consent gets a refresh token (OIDC Core section 11).
  ...(strictOffline ? {} : { issueRefreshToken: (_, client) => client.grantTypeAllowed('refresh_token') }),
});

provider.on('server_error', (_, error) => console.error(error));
provider.on('grant.error', (_, error) => console.error(error.name, error.error_detail ?? error.message));
provider.on('authorization.error', (_, error) => console.error(error.name, error.error_detail ?? error.message));
provider.listen(port, '127.0.0.1', () => console.log(JSON.stringify({ result: provider.issuer })));

await lines.next();
process.exit(0);
