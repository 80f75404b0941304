// An application, by each of two client libraries: how it asks for a token, pushes an authorization request,
// sends the browser away, and redeems a code.

import * as oauth4webapi from 'oauth4webapi';
import * as openidClient from 'openid-client';

import { DOMAIN, LOGIN_DOMAIN } from './certificates.mjs';
import { http1 } from './connections.mjs';
import { ISSUER, REDIRECT_URI, RESOURCE } from './provider.mjs';

const GRANT = { resource: RESOURCE, scope: 'read' };

/** What an application asks a user for; callers add PKCE. A request object has all of it inside. */
const LOGIN = { redirect_uri: REDIRECT_URI, scope: 'openid', response_type: 'code' };
const authorizationRequest = (parameters) => (parameters.request ? parameters : { ...LOGIN, ...parameters });

const EXPECTED = { id_token_signed_response_alg: 'ES256' };

/**
 * How an application authenticates, in the words of RFC 8414's `token_endpoint_auth_methods`.
 * `change` alters header and payload of an assertion before it is signed, `changeBody` the form that it is sent in.
 */
function authentication(library, { changeBody, ...credentials }) {
  const authenticate = byMethod(library, credentials);
  return changeBody ? async (server, client, body, headers) => {
    await authenticate(server, client, body, headers);
    changeBody(body);
  } : authenticate;
}

function byMethod(library, { method, secret, key, change }) {
  switch (method) {
    case 'client_secret_basic': return library.ClientSecretBasic(secret);
    case 'client_secret_post': return library.ClientSecretPost(secret);
    case 'private_key_jwt': return library.PrivateKeyJwt(key.signing, change && { [library.modifyAssertion]: change });
    case 'none': return library.None();
    default: return library.TlsClientAuth();
  }
}

const PATHS = { token: '/token', push: '/request', authorize: '/auth' };

/** The server's metadata, for an application that calls it at `origin`. */
function metadata({ origin, aliases, issuer = ISSUER, paths = PATHS }) {
  const at = (base) => ({ token_endpoint: base + paths.token, pushed_authorization_request_endpoint: base + paths.push });
  return {
    issuer,
    authorization_endpoint: issuer + paths.authorize,
    // Nobody listens at the issuer's own address: for mTLS only the aliases work (RFC 8705 section 5).
    ...(aliases ? { ...at(issuer), mtls_endpoint_aliases: at(origin) } : at(origin)),
  };
}

/**
 * Both libraries offer: `token()`, `push(parameters)`, `authorizationUrl(parameters, signingKey)`, `redeem(callback, verifier)`
 * and `resource(token, url)`. With `dpop(keyPair)` as the last argument, tokens are bound to that key (RFC 9449). Errors are the
 * library's own.
 */
export const LIBRARIES = {
  'openid-client': ({ clientId, fetch, ...options }) => {
    const configuration = new openidClient.Configuration(
      metadata(options), clientId, { ...EXPECTED, use_mtls_endpoint_aliases: options.aliases }, authentication(openidClient, options),
    );
    configuration[openidClient.customFetch] = fetch;
    if (options.origin.startsWith('http:')) openidClient.allowInsecureRequests(configuration);
    return {
      token: (parameters = GRANT, sender) => openidClient.clientCredentialsGrant(configuration, parameters, sender),
      resource: ({ access_token: token }, url, sender) => openidClient.fetchProtectedResource(
        configuration, token, new URL(url), 'GET', undefined, undefined, sender,
      ),
      dpop: (keyPair) => ({ DPoP: openidClient.getDPoPHandle(configuration, keyPair) }),
      push: (parameters) => openidClient.buildAuthorizationUrlWithPAR(configuration, authorizationRequest(parameters)),
      authorizationUrl: (parameters, signingKey) => (signingKey
        ? openidClient.buildAuthorizationUrlWithJAR(configuration, { ...LOGIN, ...parameters }, signingKey.signing)
        : openidClient.buildAuthorizationUrl(configuration, { ...LOGIN, ...parameters })),
      redeem: (callback, verifier) => openidClient.authorizationCodeGrant(
        configuration, callback, { pkceCodeVerifier: verifier, idTokenExpected: true },
      ),
    };
  },

  oauth4webapi: ({ clientId, fetch, ...options }) => {
    const server = metadata(options);
    const client = { ...EXPECTED, client_id: clientId, use_mtls_endpoint_aliases: options.aliases };
    const proof = authentication(oauth4webapi, options);
    const http = { [oauth4webapi.customFetch]: fetch, [oauth4webapi.allowInsecureRequests]: options.origin.startsWith('http:') };
    const atServer = (parameters) => {
      const url = new URL(server.authorization_endpoint);
      url.search = new URLSearchParams({ client_id: clientId, ...parameters });
      return url;
    };
    return {
      token: async (parameters = GRANT, sender = {}) => oauth4webapi.processClientCredentialsResponse(
        server, client, await oauth4webapi.clientCredentialsGrantRequest(server, client, proof, parameters, { ...http, ...sender }),
      ),
      resource: ({ access_token: token }, url, sender = {}) => oauth4webapi.protectedResourceRequest(
        token, 'GET', new URL(url), undefined, undefined, { ...http, ...sender },
      ),
      dpop: (keyPair) => ({ DPoP: oauth4webapi.DPoP(client, keyPair) }),
      push: async (parameters) => {
        const response = await oauth4webapi.pushedAuthorizationRequest(
          server, client, proof, authorizationRequest(parameters), http,
        );
        const { request_uri } = await oauth4webapi.processPushedAuthorizationResponse(server, client, response);
        return atServer({ request_uri });
      },
      authorizationUrl: async (parameters, signingKey) => atServer(signingKey
        ? { request: await oauth4webapi.issueRequestObject(server, client, { ...LOGIN, ...parameters }, signingKey.signing) }
        : { ...LOGIN, ...parameters }),
      redeem: async (callback, verifier) => {
        const parameters = oauth4webapi.validateAuthResponse(server, client, callback);
        const response = await oauth4webapi.authorizationCodeGrantRequest(
          server, client, proof, parameters, REDIRECT_URI, verifier, http,
        );
        return oauth4webapi.processAuthorizationCodeResponse(server, client, response, { requireIdToken: true });
      },
    };
  },
};

/**
 * The application `clientId` over connections of its own, which call the edge at `httpsPort`: the mTLS name where it
 * authenticates by its certificate or `certificate` is given, else the name without. `origin` is another place to call.
 */
export function application({
  library = 'openid-client', httpsPort, serverCa, certificate, headers, connections, origin, ...client
}) {
  const mutual = certificate !== undefined;
  const made = connections ?? http1({ serverCa, certificate, headers });
  return {
    ...LIBRARIES[library]({
      method: 'tls_client_auth',
      fetch: made.fetch,
      aliases: mutual && origin === undefined,
      origin: origin ?? edgeOrigin(mutual ? DOMAIN : LOGIN_DOMAIN, httpsPort),
      ...client,
    }),
    close: () => made.close(),
  };
}

export function edgeOrigin(domain, httpsPort) {
  return `https://${domain}:${httpsPort}`;
}

/** A PKCE verifier and the parameters of its challenge (RFC 7636). */
export async function pkce() {
  const verifier = openidClient.randomPKCECodeVerifier();
  return {
    verifier,
    challenge: { code_challenge: await openidClient.calculatePKCECodeChallenge(verifier), code_challenge_method: 'S256' },
  };
}

/** The claims of a JWT access token. */
export function claims({ access_token: token }) {
  return JSON.parse(Buffer.from(token.split('.')[1], 'base64url'));
}
