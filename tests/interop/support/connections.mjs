// TLS connections to the edge, as `fetch` functions for the client libraries.

import { once } from 'node:events';
import { connect as connectHttp2, constants } from 'node:http2';
import { Agent, buildConnector, fetch } from 'undici';

const REQUEST_LIMIT_MS = 10_000;

/** Not every resolver knows that `*.localhost` is loopback. SNI and Host keep the name. */
function lookup(hostname, options, done) {
  if (!hostname.endsWith('.localhost')) return done(new Error(`unexpected host ${hostname}`));
  return options.all ? done(null, [{ address: '127.0.0.1', family: 4 }]) : done(null, '127.0.0.1', 4);
}

/**
 * Kept-alive HTTP/1.1 connections that present `certificate`, where there is one, and add `headers` to each request.
 * `limit` bounds how many there are for an origin; `opened()` counts them. `port` is where they go, whichever port a URL
 * has: a name with the port 443, as applications call it.
 */
export function http1({ serverCa, certificate, headers = {}, limit, port }) {
  let opened = 0;
  const connect = buildConnector({ cert: certificate?.pem, key: certificate?.key, ca: serverCa.pem, lookup });
  const agent = new Agent({
    connections: limit,
    connect: (options, done) => connect({ ...options, ...(port && { port }) }, done),
  });
  agent.on('connect', () => { opened += 1; });
  return {
    opened: () => opened,
    fetch: (url, options = {}) => fetch(url, {
      ...options,
      headers: { ...Object.fromEntries(new Headers(options.headers)), ...headers },
      signal: AbortSignal.timeout(REQUEST_LIMIT_MS),
      dispatcher: agent,
    }),
    close: () => agent.destroy(),
  };
}

/** One HTTP/2 connection to `origin`. It isn't opened again: a `fetch` after its end fails. */
export async function http2({ origin, serverCa, certificate }) {
  const session = connectHttp2(origin, { ca: serverCa.pem, cert: certificate?.pem, key: certificate?.key, lookup });
  session.on('error', () => {});
  await once(session, 'connect');
  return {
    opened: () => 1,
    async fetch(url, { method = 'GET', headers, body } = {}) {
      const { pathname, search, origin: asked } = new URL(url);
      if (asked !== origin) throw new Error(`a connection to ${origin} can't serve ${asked}`);
      const stream = session.request({
        ...Object.fromEntries(new Headers(headers)),
        [constants.HTTP2_HEADER_METHOD]: method,
        [constants.HTTP2_HEADER_PATH]: pathname + search,
        ...(body instanceof URLSearchParams && { 'content-type': 'application/x-www-form-urlencoded;charset=UTF-8' }),
      });
      stream.setTimeout(REQUEST_LIMIT_MS, () => stream.destroy(new Error('no response in time')));
      stream.end(body?.toString());
      const [received] = await once(stream, 'response');
      const chunks = await stream.toArray();
      const fields = Object.entries(received).filter(([name]) => !name.startsWith(':'));
      return new Response(Buffer.concat(chunks), { status: received[constants.HTTP2_HEADER_STATUS], headers: fields });
    },
    close: () => session.destroy(),
  };
}
