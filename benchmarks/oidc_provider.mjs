// oidc-provider as a benchmark runs it: one confidential client, JWT access tokens signed with ES256, its own pages.
// The first line of its input is the configuration; it says when it listens and ends when its input does.
import { createInterface } from 'node:readline';
import Redis from 'ioredis';
import Provider from 'oidc-provider';

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const { port, redis, keys, client, resource, scope } = JSON.parse((await lines.next()).value);

// Everything in one map; the memory store that the package brings forgets after a thousand entries.
const entries = new Map();
class MemoryAdapter {
  constructor(name) { this.name = name; }
  key(id) { return `${this.name}:${id}`; }
  async upsert(id, payload) {
    entries.set(this.key(id), payload);
    if (payload.grantId && this.name !== 'Grant') {
      const list = entries.get(`grant:${payload.grantId}`);
      if (list) list.push(this.key(id)); else entries.set(`grant:${payload.grantId}`, [this.key(id)]);
    }
    if (this.name === 'Session') entries.set(`uid:${payload.uid}`, id);
  }
  async find(id) { return entries.get(this.key(id)); }
  async findByUid(uid) { return this.find(entries.get(`uid:${uid}`)); }
  async consume(id) { entries.get(this.key(id)).consumed = Math.floor(Date.now() / 1000); }
  async destroy(id) { entries.delete(this.key(id)); }
  async revokeByGrantId(grantId) {
    for (const one of entries.get(`grant:${grantId}`) ?? []) entries.delete(one);
    entries.delete(`grant:${grantId}`);
  }
}

// The shape of the adapter that the package documents for Redis: a key per entry, a list per grant.
const connection = redis ? new Redis(redis) : null;
const CONSUMABLE = new Set(['AuthorizationCode', 'RefreshToken', 'DeviceCode', 'PushedAuthorizationRequest']);
class RedisAdapter {
  constructor(name) { this.name = name; }
  key(id) { return `oidc:${this.name}:${id}`; }
  async upsert(id, payload, expiresIn) {
    const key = this.key(id);
    const multi = connection.multi();
    if (CONSUMABLE.has(this.name)) multi.hset(key, { payload: JSON.stringify(payload) });
    else multi.set(key, JSON.stringify(payload));
    if (expiresIn) multi.expire(key, expiresIn);
    if (payload.grantId && this.name !== 'Grant') {
      multi.rpush(`oidc:grant:${payload.grantId}`, key);
      if (expiresIn) multi.expire(`oidc:grant:${payload.grantId}`, expiresIn);
    }
    if (payload.uid) {
      multi.set(`oidc:uid:${payload.uid}`, id);
      if (expiresIn) multi.expire(`oidc:uid:${payload.uid}`, expiresIn);
    }
    await multi.exec();
  }
  async find(id) {
    if (!CONSUMABLE.has(this.name)) {
      const found = await connection.get(this.key(id));
      return found ? JSON.parse(found) : undefined;
    }
    const { payload, ...rest } = await connection.hgetall(this.key(id));
    return payload ? { ...rest, ...JSON.parse(payload) } : undefined;
  }
  async findByUid(uid) { return this.find(await connection.get(`oidc:uid:${uid}`)); }
  async consume(id) { await connection.hset(this.key(id), 'consumed', Math.floor(Date.now() / 1000)); }
  async destroy(id) { await connection.del(this.key(id)); }
  async revokeByGrantId(grantId) {
    const keys = await connection.lrange(`oidc:grant:${grantId}`, 0, -1);
    await connection.del(...keys, `oidc:grant:${grantId}`);
  }
}

const provider = new Provider(`http://127.0.0.1:${port}`, {
  adapter: redis ? RedisAdapter : MemoryAdapter,
  clients: [client],
  jwks: { keys },
  cookies: { keys: ['benchmark'] },
  scopes: ['openid', 'offline_access'],
  findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
  issueRefreshToken: () => true,
  rotateRefreshToken: true,
  enabledJWA: { idTokenSigningAlgValues: keys.map(({ alg }) => alg) },
  features: {
    devInteractions: { enabled: true },
    clientCredentials: { enabled: true },
    introspection: { enabled: true },
    resourceIndicators: {
      enabled: true,
      defaultResource: () => resource,
      useGrantedResource: () => true,
      getResourceServerInfo: () => ({
        audience: resource, scope, accessTokenFormat: 'jwt', accessTokenTTL: 900, jwt: { sign: { alg: 'ES256' } },
      }),
    },
  },
});
provider.on('server_error', (_, error) => console.error(error));
provider.on('grant.error', (_, error) => console.error(error.name, error.error_detail ?? error.message));
provider.listen(port, '127.0.0.1', () => console.log(JSON.stringify({ result: provider.issuer, pid: process.pid })));

await lines.next();
process.exit(0);
