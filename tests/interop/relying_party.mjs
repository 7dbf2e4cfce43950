// openid-client, driven by lines of JSON: one command in, one result out. It ends when its input does.
import { createInterface } from 'node:readline';
import * as jose from 'jose';
import * as oauth from 'oauth4webapi';
import * as client from 'openid-client';

const METHODS = {
  client_secret_basic: client.ClientSecretBasic,
  client_secret_post: client.ClientSecretPost,
  none: client.None,
};
const parties = new Map();
const polls = new Map(); // by party: what its polling came to
const handles = new Map(); // DPoP, of the parties that prove a key

async function authentication({ method, secret, private_jwk }) {
  if (method !== 'private_key_jwt') return METHODS[method](secret);
  const algorithm = { name: 'ECDSA', namedCurve: 'P-256' };
  const key = await crypto.subtle.importKey('jwk', private_jwk, algorithm, false, ['sign']);
  return client.PrivateKeyJwt({ key, kid: private_jwk.kid });
}

function proving(party) {
  return handles.has(party) ? { DPoP: handles.get(party) } : undefined;
}

const commands = {
  // OpenID Connect Back-Channel Logout §2.6, as far as a JWT library checks it.
  async logout_token({ token, jwks, issuer, audience, now, algorithm }) {
    const { payload, protectedHeader } = await jose.jwtVerify(token, jose.createLocalJWKSet(jwks), {
      typ: 'logout+jwt', issuer, audience, algorithms: [algorithm], currentDate: new Date(now * 1000),
      requiredClaims: ['iat', 'exp', 'jti', 'events', 'sub', 'sid'],
    });
    return { payload, header: protectedHeader };
  },

  async discover({ party, issuer, client_id, method, secret, private_jwk, dpop, ...metadata }) {
    const config = await client.discovery(
      new URL(issuer), client_id, metadata, await authentication({ method, secret, private_jwk }),
      { execute: [client.allowInsecureRequests, client.enableNonRepudiationChecks] },
    );
    parties.set(party, config);
    if (dpop) handles.set(party, client.getDPoPHandle(config, await client.randomDPoPKeyPair(dpop)));
    return config.serverMetadata();
  },

  // RFC 7591: the client registers itself, and is told what it is from now on.
  async register({ party, issuer, metadata, token, method, private_jwk }) {
    const config = await client.dynamicClientRegistration(
      new URL(issuer), metadata, method ? await authentication({ method, private_jwk }) : undefined,
      { initialAccessToken: token, execute: [client.allowInsecureRequests, client.enableNonRepudiationChecks] },
    );
    parties.set(party, config);
    return config.clientMetadata();
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
      ...(handles.has(party) ? { dpop_jkt: await handles.get(party).calculateThumbprint() } : {}),
    });
    return { url, checks };
  },

  // RFC 9126: the same request, pushed first.
  async begin_pushed({ party, parameters }) {
    const checks = newChecks();
    const request = await requestOf(parameters, checks);
    return { url: await client.buildAuthorizationUrlWithPAR(parties.get(party), request, proving(party)), checks };
  },

  // RFC 9101: the same request, signed; pushed as well when asked.
  async begin_signed({ party, parameters, jwk, pushed }) {
    const checks = newChecks();
    const config = parties.get(party);
    const { alg, kid, use, ...members } = jwk;
    const key = await crypto.subtle.importKey('jwk', members, { name: 'ECDSA', namedCurve: 'P-256' }, false, ['sign']);
    const signed = await client.buildAuthorizationUrlWithJAR(config, await requestOf(parameters, checks), { key, kid });
    if (!pushed) return { url: signed, checks };
    return { url: await client.buildAuthorizationUrlWithPAR(config, signed.searchParams, proving(party)), checks };
  },

  // JARM: from now on this party takes signed responses alone.
  async take_signed_responses({ party }) {
    client.useJwtResponseMode(parties.get(party));
    return 'signed';
  },

  // OAuth Form Post: what a browser posted to the client.
  async finish_form({ party, url, form, checks }) {
    const headers = { 'content-type': 'application/x-www-form-urlencoded' };
    const request = new Request(url, { method: 'POST', headers, body: new URLSearchParams(form) });
    return withClaims(await client.authorizationCodeGrant(parties.get(party), request, checks));
  },

  async finish({ party, url, checks, parameters }) {
    return withClaims(
      await client.authorizationCodeGrant(parties.get(party), new URL(url), checks, parameters, proving(party)),
    );
  },

  async refresh({ party, token, parameters }) {
    return withClaims(await client.refreshTokenGrant(parties.get(party), token, parameters, proving(party)));
  },

  async client_credentials({ party, parameters }) {
    return client.clientCredentialsGrant(parties.get(party), parameters, proving(party));
  },

  // RFC 8628: the codes, and the polling, which goes on by itself until its result is asked for.
  async ask_device({ party, parameters }) {
    return client.initiateDeviceAuthorization(parties.get(party), parameters);
  },

  async begin_polling({ party, asked, interval }) {
    const options = proving(party);
    const tokens = client.pollDeviceAuthorizationGrant(parties.get(party), { ...asked, interval }, undefined, options);
    polls.set(party, tokens.then((result) => ({ result: withClaims(result) }), (error) => ({ error })));
    return 'polling';
  },

  async finish_polling({ party }) {
    const { result, error } = await polls.get(party);
    if (error) throw error;
    return result;
  },

  async userinfo({ party, token, sub }) {
    return client.fetchUserInfo(parties.get(party), token, sub, proving(party));
  },

  async revoke({ party, token, parameters }) {
    await client.tokenRevocation(parties.get(party), token, parameters);
    return 'revoked';
  },

  async introspect({ party, token, parameters }) {
    return client.tokenIntrospection(parties.get(party), token, parameters);
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

function newChecks() {
  return {
    pkceCodeVerifier: client.randomPKCECodeVerifier(),
    expectedState: client.randomState(),
    expectedNonce: client.randomNonce(),
    idTokenExpected: true,
  };
}

async function requestOf(parameters, checks) {
  return {
    ...parameters,
    state: checks.expectedState,
    nonce: checks.expectedNonce,
    code_challenge: await client.calculatePKCECodeChallenge(checks.pkceCodeVerifier),
    code_challenge_method: 'S256',
  };
}

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
