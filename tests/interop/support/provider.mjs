// oidc-provider as the authorization server behind the edge.

import { once } from 'node:events';
import { createServer } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import { generateKeyPairSync } from 'node:crypto';

import { Provider, errors } from 'oidc-provider';

import { PROFILES } from './profiles.mjs';

export const ISSUER = 'https://auth.localhost';
export const RESOURCE = 'https://api.localhost';
export const REDIRECT_URI = 'https://app.localhost/callback';

/** Paths of protected resources, which this server serves to anybody: the edge is what protects them. */
export const RESOURCES = ['/resource', '/opaque', '/bearer'];

const ALGORITHMS = ['RS256', 'RS384', 'PS256', 'ES256', 'Ed25519', 'EdDSA'];

/**
 * Starts the provider on a free loopback port, with `clients` in the words of RFC 7591.
 *
 * `seen` holds every request that reached the socket, noted before oidc-provider looks at it: an empty list proves
 * that the edge let nothing through. `configuration` adds to oidc-provider's, and `prepare` changes the provider before it starts. With `tls`, options of
 * node's TLS server, it speaks https.
 */
export async function startProvider({ profile, certificates, apiKey, clients, configuration: { features, ...configuration } = {}, prepare, tls }) {
  const reader = PROFILES[profile];
  const seen = [];

  const provider = new Provider(ISSUER, {
    clients: clients.map(({ client_id: clientId, ...metadata }) => client(clientId, metadata)),
    clientAuthMethods: [
      'tls_client_auth', 'self_signed_tls_client_auth', 'private_key_jwt', 'client_secret_basic', 'client_secret_post', 'none',
    ],
    enabledJWA: { clientAuthSigningAlgValues: ALGORITHMS, requestObjectSigningAlgValues: ALGORITHMS },
    // OpenID Connect Core section 3.1.2.1: authorization requests by POST, too.
    enableHttpPostMethods: true,
    cookies: { keys: ['interop'], long: { signed: true, sameSite: 'none' } },
    jwks: { keys: [generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ format: 'jwk' })] },
    clientDefaults: { id_token_signed_response_alg: 'ES256' },
    // Every browser is logged in as the one user, who has granted everything.
    interactions: { url: (ctx, { uid }) => `/interaction/${uid}` },
    loadExistingGrant: async (ctx) => {
      const { client: { clientId }, session: { accountId } } = ctx.oidc;
      const grant = new provider.Grant({ clientId, accountId });
      grant.addOIDCScope('openid');
      await grant.save();
      return grant;
    },
    features: {
      devInteractions: { enabled: false },
      clientCredentials: { enabled: true },
      pushedAuthorizationRequests: { enabled: true },
      requestObjects: { enabled: true },
      introspection: { enabled: true, allowedPolicy: () => true },
      mTLS: {
        enabled: true,
        certificateBoundAccessTokens: true,
        tlsClientAuth: true,
        selfSignedTlsClientAuth: true,
        getCertificate: (ctx) => ctx.headers[reader.certificateHeader] && reader.certificate(ctx.headers),
        certificateAuthorized: (ctx) => {
          if (reader.verdictHeader) return ctx.get(reader.verdictHeader) === 'SUCCESS';
          return chainVerifies(reader.certificate(ctx.headers), certificates.clientCas);
        },
        certificateSubjectMatches: (ctx, property, expected) => {
          if (property !== 'tls_client_auth_subject_dn') return false;
          if (reader.subjectHeader && ctx.get(reader.subjectHeader) !== expected) return false;
          return subjectDn(reader.certificate(ctx.headers)) === expected;
        },
      },
      // Access tokens as JWTs, so that the test can read their `cnf`.
      resourceIndicators: {
        enabled: true,
        getResourceServerInfo: (ctx, resource) => {
          if (resource !== RESOURCE) throw new errors.InvalidTarget();
          return { scope: 'read', audience: RESOURCE, accessTokenFormat: 'jwt', jwt: { sign: { alg: 'ES256' } } };
        },
      },
      ...features,
    },
    ...configuration,
  });
  prepare?.(provider);
  // The edge terminates TLS: X-Forwarded-Proto and X-Forwarded-Host are its word.
  provider.proxy = true;

  const failures = [];
  provider.on('server_error', (ctx, error) => failures.push(error));
  provider.use(async (ctx, next) => {
    Object.assign(ctx.req.note, { protocol: ctx.protocol, hostname: ctx.hostname });
    if (reader.apiKeyHeader && ctx.get(reader.apiKeyHeader) !== apiKey) ctx.throw(403, 'not from the edge');
    if (ctx.path.startsWith('/interaction/')) {
      return provider.interactionFinished(ctx.req, ctx.res, { login: { accountId: 'user' } });
    }
    if (RESOURCES.includes(ctx.path)) {
      ctx.body = { resource: ctx.path };
      return undefined;
    }
    return next();
  });

  const handle = provider.callback();
  const respond = (request, response) => {
    request.note = { method: request.method, path: request.url, headers: request.headers, rawHeaders: request.rawHeaders };
    seen.push(request.note);
    handle(request, response);
  };
  const server = tls ? createSecureServer(tls, respond) : createServer(respond);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');

  return {
    url: tls ? `https://localhost:${server.address().port}` : `http://127.0.0.1:${server.address().port}`,
    seen,
    failures,
    stop: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}

function client(clientId, metadata) {
  return {
    client_id: clientId,
    grant_types: ['client_credentials', 'authorization_code'],
    response_types: ['code'],
    redirect_uris: [REDIRECT_URI],
    tls_client_certificate_bound_access_tokens: /tls_client_auth$/.test(metadata.token_endpoint_auth_method),
    ...metadata,
  };
}

/** A certificate as a client registers it for `self_signed_tls_client_auth` (RFC 8705 section 2.2.2). */
export function certificateJwk({ x509 }) {
  return { ...x509.publicKey.export({ format: 'jwk' }), x5c: [x509.raw.toString('base64')] };
}

function chainVerifies(leaf, authorities) {
  const now = Date.now();
  const current = Date.parse(leaf.validFrom) <= now && now <= Date.parse(leaf.validTo);
  return current && authorities.some(({ x509 }) => leaf.checkIssued(x509) && leaf.verify(x509.publicKey));
}

/** RFC 4514 for the plain names of this suite: node prints one RDN a line, in the certificate's order. */
function subjectDn(certificate) {
  return certificate.subject.split('\n').reverse().join(',');
}
