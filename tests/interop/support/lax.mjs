// oidc-provider as lax as it can be configured, and the applications that are registered with it for the suite of FAPI 2.0.

import { sign, constants, randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';

import { PAYMENTS_DN } from './certificates.mjs';
import { makeKey } from './keys.mjs';
import { ISSUER, certificateJwk } from './provider.mjs';

export const SECRET = 'the secret of an application, 32+';

/** All paths are there a second time below this one, as a server has them that serves several tenants. */
export const AGAIN = '/tenant';

/** Options of `startProvider`. */
export const LAX = {
  configuration: {
    responseTypes: ['code', 'id_token', 'id_token token', 'code token', 'code id_token', 'code id_token token'],
    pkce: { required: () => false },
    acceptQueryParamAccessTokens: true,
    allowOmittingSingleRegisteredRedirectUri: true,
    clockTolerance: 3600,
    features: { pushedAuthorizationRequests: { enabled: true, allowUnregisteredRedirectUris: true } },
  },
  prepare(provider) {
    // RFC 6749 section 4.3, which oidc-provider leaves to its users.
    provider.registerGrantType('password', async (ctx) => {
      const token = new provider.ClientCredentials({ client: ctx.oidc.client });
      ctx.body = { access_token: await token.save(), token_type: 'Bearer', expires_in: token.expiration };
    }, ['username', 'password', 'scope']);
    provider.use(async (ctx, next) => {
      if (ctx.path.startsWith(`${AGAIN}/`)) ctx.path = ctx.path.slice(AGAIN.length);
      ctx.set('Access-Control-Allow-Origin', '*');
      await next();
    });
  },
};

/** The keys of the applications, in `folder`. */
export async function makeKeys(folder) {
  return {
    jwt: await makeKey(folder, 'jwt', 'PS256'),
    legacy: await makeKey(folder, 'legacy', 'RS256'),
    request: await makeKey(folder, 'request', 'ES256'),
  };
}

/** As the server has them: each may do what it asks for. */
export function laxClients(keys, certificates) {
  const grants = ['client_credentials', 'authorization_code'];
  return [
    {
      client_id: 'mtls',
      token_endpoint_auth_method: 'self_signed_tls_client_auth',
      grant_types: [...grants, 'password'],
      jwks: { keys: [certificateJwk(certificates.billing1), keys.request.jwk] },
    },
    {
      client_id: 'front',
      token_endpoint_auth_method: 'tls_client_auth',
      tls_client_auth_subject_dn: PAYMENTS_DN,
      tls_client_certificate_bound_access_tokens: false,
      grant_types: ['authorization_code', 'implicit'],
      response_types: ['code', 'id_token token', 'code id_token', 'code token'],
      jwks: { keys: [keys.request.jwk] },
    },
    { client_id: 'jwt', token_endpoint_auth_method: 'private_key_jwt', jwks: { keys: [keys.jwt.jwk, keys.legacy.jwk] } },
    { client_id: 'legacy', token_endpoint_auth_method: 'private_key_jwt', jwks: { keys: [keys.legacy.jwk] } },
    { client_id: 'secret', token_endpoint_auth_method: 'client_secret_post', client_secret: SECRET },
    { client_id: 'public', token_endpoint_auth_method: 'none', grant_types: ['authorization_code'] },
  ];
}

/** As the edge has them. */
export function laxApplications(certificates) {
  const requestKey = [{ name: 'request', public_key: 'request.pem', alg: 'ES256' }];
  const key = (name, alg) => [{ name: 'key', public_key: `${name}.pem`, alg }];
  return [
    {
      client_id: 'mtls',
      auth_method: 'self_signed_tls_client_auth',
      credential: [{ name: 'certificate', thumbprint: certificates.billing1.hexThumbprint }],
      request_key: requestKey,
    },
    { client_id: 'front', auth_method: 'tls_client_auth', credential: [{ name: 'ca', subject_dn: PAYMENTS_DN }], request_key: requestKey },
    { client_id: 'jwt', auth_method: 'private_key_jwt', credential: key('jwt', 'PS256'), request_key: key('legacy', 'RS256') },
    { client_id: 'legacy', auth_method: 'private_key_jwt', credential: key('legacy', 'RS256') },
    { client_id: 'secret', auth_method: 'client_secret_post' },
    { client_id: 'public', auth_method: 'none' },
  ];
}

const SIGNATURES = {
  RS256: (key) => ({ key }),
  PS256: (key) => ({ key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 }),
  ES256: (key) => ({ key, dsaEncoding: 'ieee-p1363' }),
};

/** A JWT by `key`. */
export function jwt(key, claims, header = {}) {
  const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const signed = `${part({ alg: key.algorithm, ...header })}.${part(claims)}`;
  const signature = sign('sha256', Buffer.from(signed), SIGNATURES[key.algorithm](readFileSync(key.keyFile)));
  return `${signed}.${signature.toString('base64url')}`;
}

export const now = () => Math.floor(Date.now() / 1000);

/** A client assertion of `clientId`, good but for `claims`. */
export function assertion(key, clientId, claims = {}) {
  return jwt(key, { iss: clientId, sub: clientId, aud: ISSUER, iat: now(), exp: now() + 60, jti: randomUUID(), ...claims });
}

/** A DPoP proof for the token endpoint at `url` (RFC 9449 section 4.2). */
export function proof(key, url) {
  const { kid, ...jwk } = key.jwk;
  return jwt(key, { htm: 'POST', htu: url, iat: now(), jti: randomUUID() }, { typ: 'dpop+jwt', jwk });
}
