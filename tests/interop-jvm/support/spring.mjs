// Spring Authorization Server behind the edge: the program in spring/, with its clients' keys on an HTTP server of ours.

import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';

import { freePorts } from '../../interop/support/edge.mjs';
import { ISSUER, REDIRECT_URI } from '../../interop/support/provider.mjs';
import { prepared, startJava } from './java.mjs';

export const PATHS = { token: '/oauth2/token', push: '/oauth2/par', authorize: '/oauth2/authorize' };

export const spring = prepared('spring');

/** Starts the program; `keys` are JWKs by client_id, `clientCas` the file of the CAs, `secret` that of `basic`. */
export async function startSpring({ keys, clientCas, secret, paymentsDn }) {
  const jwks = createServer((request, response) => {
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify({ keys: [keys[request.url.slice(1)]] }));
  }).listen(0, '127.0.0.1');
  await once(jwks, 'listening');
  const [port] = await freePorts(1);
  const url = `http://127.0.0.1:${port}`;
  const settings = {
    'server.address': '127.0.0.1',
    'server.port': port,
    'spring.main.banner-mode': 'off',
    'interop.issuer': ISSUER,
    'interop.jwks': `http://127.0.0.1:${jwks.address().port}`,
    'interop.client-cas': clientCas,
    'interop.secret': secret,
    'interop.payments-dn': paymentsDn,
    'interop.redirect-uri': REDIRECT_URI,
  };
  const classpath = readFileSync(join(spring.path, 'classpath'), 'utf8').trim();
  const server = await startJava({
    name: 'the Spring program',
    command: 'java',
    args: [
      '-Xmx256m', '-XX:TieredStopAtLevel=1', '-cp', `${join(spring.path, 'classes')}:${classpath}`, 'interop.Server',
      ...Object.entries(settings).map(([name, value]) => `--${name}=${value}`),
    ],
    ready: `${url}/.well-known/oauth-authorization-server`,
  });
  return {
    ...server,
    url,
    stop: () => {
      server.stop();
      jwks.closeAllConnections();
      jwks.close();
    },
  };
}
