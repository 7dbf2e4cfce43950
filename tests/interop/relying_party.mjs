// openid-client, driven by lines of JSON: one command in, one result out. It ends when its input does.
import { createInterface } from 'node:readline';
import * as oauth from 'oauth4webapi';
import * as client from 'openid-client';

const METHODS = {
  client_secret_basic: client.ClientSecretBasic,
  client_secret_post: client.ClientSecretPost,
  none: client.None,
};
const parties = new Map();

const commands = {
  async discover({ party, issuer, client_id, method, secret, ...metadata }) {
    const config = await client.discovery(
      new URL(issuer), client_id, metadata, METHODS[method](secret),
      { execute: [client.allowInsecureRequests, client.enableNonRepudiationChecks] },
    );
    parties.set(party, config);
    return config.serverMetadata();
  },

  async begin({ party, parameters }) {
    const checks = {
      pkceCodeVerifier: client.randomPKCECodeVerifier(),
      expectedState: client.randomState(),
      expectedNonce: client.randomNonce(),
      idTokenExpected: true,
    };
    const url = client.buildAuthorizationUrl(parties.get(party), {
      ...parameters,
      state: checks.expectedState,
      nonce: checks.expectedNonce,
      code_challenge: await client.calculatePKCECodeChallenge(checks.pkceCodeVerifier),
      code_challenge_method: 'S256',
    });
    return { url, checks };
  },

  async finish({ party, url, checks, parameters }) {
    return withClaims(await client.authorizationCodeGrant(parties.get(party), new URL(url), checks, parameters));
  },

  async refresh({ party, token, parameters }) {
    return withClaims(await client.refreshTokenGrant(parties.get(party), token, parameters));
  },

  async client_credentials({ party, parameters }) {
    return client.clientCredentialsGrant(parties.get(party), parameters);
  },

  async userinfo({ party, token, sub }) {
    return client.fetchUserInfo(parties.get(party), token, sub);
  },

  async revoke({ party, token }) {
    await client.tokenRevocation(parties.get(party), token);
    return 'revoked';
  },

  async introspect({ party, token }) {
    return client.tokenIntrospection(parties.get(party), token);
  },

  async end_session_url({ party, parameters }) {
    return client.buildEndSessionUrl(parties.get(party), parameters);
  },

  // RFC 9068 section 4, as a resource server of the same author does it.
  async check_access_token({ party, token, audience }) {
    const request = new Request('http://127.0.0.1/', { headers: { authorization: `Bearer ${token}` } });
    const server = parties.get(party).serverMetadata();
    return oauth.validateJwtAccessToken(server, request, audience, { [oauth.allowInsecureRequests]: true });
  },
};

function withClaims(tokens) {
  return { ...tokens, claims: tokens.claims() };
}

function told(error) {
  return {
    name: error.name,
    code: error.code ?? null,
    message: error.message,
    error: error.error ?? null,
    status: error.status ?? null,
    challenges: error.name === 'WWWAuthenticateChallengeError' ? error.cause : [],
    cause: error.cause?.message ?? null,
  };
}

for await (const line of createInterface({ input: process.stdin })) {
  const { command, ...rest } = JSON.parse(line);
  const answer = await commands[command](rest).then((result) => ({ result }), (error) => ({ error: told(error) }));
  console.log(JSON.stringify(answer));
}
