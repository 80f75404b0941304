// Requests that break one clause of FAPI 2.0 each, in the order and by the names of docs/fapi2.md and of
// tests/promises/fapi2/clauses.rs.

import { AGAIN, SECRET, assertion, jwt, now, proof } from './lax.mjs';
import { ISSUER, REDIRECT_URI } from './provider.mjs';

const ASSERTION_TYPE = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer';
const CHALLENGE = 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM';
const HTTP = 'http://app.localhost/callback';
const LIKE_LOOPBACK = 'http://localhost.app.localhost/callback';

/** What the server alone answers, in the words of docs/fapi2.md. */
export const TOKEN = 'a token';
export const PUSHED = 'a `request_uri`, then a code or token';
export const CODE = 'a code';
export const RESOURCE = 'the resource';
/** oidc-provider has no setting by which it would accept these. */
export const NEVER = 'refused in every configuration';

/** The parameters of a good pushed request, but for `change`; undefined leaves a parameter out. */
const request = (change = {}) => ({
  response_type: 'code', redirect_uri: REDIRECT_URI, scope: 'openid', nonce: 'n', code_challenge: CHALLENGE, code_challenge_method: 'S256', ...change,
});
const post = (path, form, more = {}) => ({ path, form, ...more });
const get = (path, query) => ({ path, query });
const grant = { grant_type: 'client_credentials' };
const mtls = (path, form, more) => post(path, { client_id: 'mtls', ...form }, { certificate: 'billing1', ...more });
const front = (change) => post('/request', { client_id: 'front', ...request(change) }, { certificate: 'payments1' });
const secret = { client_id: 'secret', client_secret: SECRET };
const code = (code) => ({ grant_type: 'authorization_code', code, redirect_uri: REDIRECT_URI });
const asserted = (clientId, client_assertion) => ({ client_id: clientId, client_assertion_type: ASSERTION_TYPE, client_assertion });
const byAssertion = ({ keys, tokenEndpoint }, clientId, claims) => post(
  '/token',
  { ...asserted(clientId, assertion(keys[clientId], clientId, claims)), ...grant },
  { headers: { DPoP: proof(keys.request, tokenEndpoint) } },
);
/** A request object whose claims differ in `change` from a good one's. */
const object = (key, clientId, change) => jwt(key, {
  iss: clientId, client_id: clientId, aud: ISSUER, iat: now(), nbf: now(), exp: now() + 60, ...request(change),
});
const pushed = (change) => mtls('/request', request(change));
const pushedObject = ({ keys }, change) => mtls('/request', { request: object(keys.request, 'mtls', change) });

/**
 * `[name, request, status, error, what the server alone answers]`. A request is a function of the test's context, and asked for
 * again for each place that it is sent to, since assertions, codes and references are good once.
 */
export const CLAUSES = [
  ['no password grant', () => mtls('/token', { grant_type: 'password', username: 'user', password: 'p' }), 400, 'unsupported_grant_type', TOKEN],
  ['no client secrets', () => post('/token', { ...secret, ...grant }), 401, 'invalid_client', TOKEN],
  ['no client secrets when pushing', () => post('/request', { ...secret, ...request() }), 401, 'invalid_client', PUSHED],
  ['no public clients', async (c) => post('/token', { client_id: 'public', ...code(await c.code('public')) }), 401, 'invalid_client', TOKEN],
  ['no public clients when pushing', () => post('/request', { client_id: 'public', ...request() }), 401, 'invalid_client', PUSHED],
  ['no tokens without authentication', () => post(`${AGAIN}/token`, { ...secret, ...grant }), 401, 'invalid_client', TOKEN],
  ['no RS256 assertions', (c) => byAssertion(c, 'legacy'), 401, 'invalid_client', TOKEN],
  ['aud is a string', (c) => byAssertion(c, 'jwt', { aud: [ISSUER] }), 401, 'invalid_client', TOKEN],
  ['aud is the issuer', (c) => byAssertion(c, 'jwt', { aud: `${ISSUER}/token` }), 401, 'invalid_client', TOKEN],
  ['tokens are bound', (c) => ({ ...byAssertion(c, 'jwt'), headers: {} }), 400, 'invalid_request', TOKEN],
  ['no access token in a query', () => mtls('/token', grant, { query: { access_token: 'a' } }), 400, 'invalid_request', TOKEN],
  ['nor at other paths', async (c) => get('/me', { access_token: await c.userToken() }), 400, 'invalid_request', RESOURCE],

  ['PKCE', () => pushed({ code_challenge: undefined, code_challenge_method: undefined }), 400, 'invalid_request', PUSHED],
  ['S256, not plain', () => pushed({ code_challenge_method: 'plain' }), 400, 'invalid_request', NEVER],
  ['S256, not the default', () => pushed({ code_challenge_method: undefined }), 400, 'invalid_request', NEVER],
  ['code, not hybrid', () => front({ response_type: 'code id_token' }), 400, 'unsupported_response_type', PUSHED],
  ['code, not implicit', () => front({ response_type: 'id_token token' }), 400, 'unsupported_response_type', PUSHED],
  ['response_type is required', () => pushed({ response_type: undefined }), 400, 'unsupported_response_type', NEVER],
  ['redirect_uri is required', () => pushed({ redirect_uri: undefined }), 400, 'invalid_request', PUSHED],
  ['redirect_uri is not http', () => pushed({ redirect_uri: HTTP }), 400, 'invalid_request', PUSHED],
  ['nor like loopback', () => pushed({ redirect_uri: LIKE_LOOPBACK }), 400, 'invalid_request', PUSHED],
  [
    'no RS256 request objects',
    ({ keys }) => post('/request', { ...asserted('jwt', assertion(keys.jwt, 'jwt')), request: object(keys.legacy, 'jwt') }),
    400, 'invalid_request_object', PUSHED,
  ],
  ['PKCE in an object', (c) => pushedObject(c, { code_challenge: undefined, code_challenge_method: undefined }), 400, 'invalid_request', PUSHED],
  ['S256 in an object', (c) => pushedObject(c, { code_challenge_method: 'plain' }), 400, 'invalid_request', NEVER],
  [
    'code in an object',
    ({ keys }) => post('/request', { client_id: 'front', request: object(keys.request, 'front', { response_type: 'code token' }) }, { certificate: 'payments1' }),
    400, 'unsupported_response_type', PUSHED,
  ],
  ['redirect_uri in an object', (c) => pushedObject(c, { redirect_uri: undefined }), 400, 'invalid_request', PUSHED],
  ['https in an object', (c) => pushedObject(c, { redirect_uri: HTTP }), 400, 'invalid_request', PUSHED],

  ['only pushed requests', () => get('/auth', { client_id: 'mtls', ...request() }), 400, 'invalid_request_object', CODE],
  ['also by POST', () => post('/auth', { client_id: 'mtls', ...request() }), 400, 'invalid_request_object', CODE],
  ['signed or not', ({ keys }) => get('/auth', { client_id: 'mtls', request: object(keys.request, 'mtls') }), 400, 'invalid_request_object', CODE],
  ['at every path', () => get(`${AGAIN}/auth`, { client_id: 'mtls', ...request() }), 400, 'invalid_request_object', CODE],
  ['no response_type beside it', async (c) => get('/auth', { ...await c.reference(), response_type: 'code' }), 400, 'invalid_request', CODE],
  ['no redirect_uri beside it', async (c) => get('/auth', { ...await c.reference(), redirect_uri: REDIRECT_URI }), 400, 'invalid_request', CODE],
  ['no code_challenge beside it', async (c) => get('/auth', { ...await c.reference(), code_challenge: CHALLENGE }), 400, 'invalid_request', CODE],

  ['iat is not in the future', (c) => byAssertion(c, 'jwt', { iat: now() + 90, exp: now() + 120 }), 401, 'invalid_client', TOKEN],
  ['nbf is not in the future', (c) => byAssertion(c, 'jwt', { nbf: now() + 90, exp: now() + 120 }), 401, 'invalid_client', TOKEN],
];

/** Requests that follow the profile. */
export const CONFORMING = [
  ['a token by a certificate', () => mtls('/token', grant), TOKEN],
  ['a token by an assertion, bound by DPoP', (c) => byAssertion(c, 'jwt'), TOKEN],
  ['a pushed request by a certificate', () => pushed(), PUSHED],
  ['a pushed request object', (c) => pushedObject(c), PUSHED],
  ['a pushed request by an assertion', ({ keys }) => post('/request', { ...asserted('jwt', assertion(keys.jwt, 'jwt')), ...request() }), PUSHED],
  ['a reference at the authorization endpoint', async (c) => get('/auth', await c.reference()), CODE],
];

/** Where the browser is sent to by a pushed request. */
export const redirectUri = ({ redirect_uri: uri = REDIRECT_URI, request: signed }) => (
  signed ? redirectUri(JSON.parse(Buffer.from(signed.split('.')[1], 'base64url'))) : uri
);
