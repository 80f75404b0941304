// An application: openid-client, over TLS connections that present one certificate.

import * as oauth from 'openid-client';
import { Agent, fetch } from 'undici';

import { DOMAIN } from './certificates.mjs';
import { ISSUER, REDIRECT_URI, RESOURCE } from './provider.mjs';

const REQUEST_LIMIT_MS = 10_000;

/** The application `clientId`, holding `certificate`, that calls the edge at `httpsPort` and adds `headers` to what it sends. */
export function application({ clientId, certificate, httpsPort, serverCa, headers = {} }) {
  const agent = new Agent({
    connect: {
      cert: certificate.pem,
      key: certificate.key,
      ca: serverCa.pem,
      // Not every resolver knows that `*.localhost` is loopback. SNI and Host keep the name.
      lookup: (hostname, options, done) => {
        if (hostname !== DOMAIN) return done(new Error(`unexpected host ${hostname}`));
        return options.all ? done(null, [{ address: '127.0.0.1', family: 4 }]) : done(null, '127.0.0.1', 4);
      },
    },
  });
  const edge = `https://${DOMAIN}:${httpsPort}`;
  const configuration = new oauth.Configuration(
    {
      issuer: ISSUER,
      authorization_endpoint: `${ISSUER}/auth`,
      // Nobody listens on these two: only the aliases work (RFC 8705 section 5).
      token_endpoint: `${ISSUER}/token`,
      pushed_authorization_request_endpoint: `${ISSUER}/request`,
      mtls_endpoint_aliases: {
        token_endpoint: `${edge}/token`,
        pushed_authorization_request_endpoint: `${edge}/request`,
      },
    },
    clientId,
    { use_mtls_endpoint_aliases: true },
    oauth.TlsClientAuth(),
  );
  configuration[oauth.customFetch] = (url, options) => fetch(url, {
    ...options,
    headers: { ...options.headers, ...headers },
    signal: AbortSignal.timeout(REQUEST_LIMIT_MS),
    dispatcher: agent,
  });

  return {
    token: () => oauth.clientCredentialsGrant(configuration, { resource: RESOURCE, scope: 'read' }),
    /** Pushes an authorization request; resolves to the URL to which the browser would be sent. */
    push: async () => oauth.buildAuthorizationUrlWithPAR(configuration, {
      redirect_uri: REDIRECT_URI,
      scope: 'openid',
      response_type: 'code',
      code_challenge: await oauth.calculatePKCECodeChallenge(oauth.randomPKCECodeVerifier()),
      code_challenge_method: 'S256',
    }),
    close: () => agent.destroy(),
  };
}

/** The claims of a JWT access token. */
export function claims({ access_token: token }) {
  return JSON.parse(Buffer.from(token.split('.')[1], 'base64url'));
}
