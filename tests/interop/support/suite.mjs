// What every suite with oidc-provider begins with: certificates, keys, and the two servers on free ports.

import { after, afterEach, beforeEach } from 'node:test';
import assert from 'node:assert/strict';

import { application } from './application.mjs';
import { makeCertificates } from './certificates.mjs';
import { edgeBinary, startEdge } from './edge.mjs';
import { temporaryFolder } from './lifetime.mjs';
import { ISSUER, startProvider } from './provider.mjs';

const BACK_CHANNEL = [
  { path: '/token', authenticate: 'client' },
  { path: '/request', authenticate: 'client' },
];

/** The routes of the name where browsers go; `authorize` are further keys of the authorization endpoint's. */
const loginRoutes = (authorize) => [
  ...BACK_CHANNEL,
  { path: '/auth', methods: ['GET', 'POST'], authenticate: 'none', ...authorize },
  { path: '/auth/*', methods: ['GET'], authenticate: 'none' },
  { path: '/interaction/*', methods: ['GET'], authenticate: 'none' },
];

/** The edge's program and a folder with the certificates, or one line that says what is missing, and the end. */
export function prepare() {
  try {
    const binary = edgeBinary();
    const folder = temporaryFolder();
    after(() => folder.remove());
    return { binary, folder: folder.path, certificates: makeCertificates(folder.path) };
  } catch (error) {
    console.error(error.message);
    process.exit(1);
  }
}

/**
 * Starts oidc-provider with `clients`, and the edge in front of it with `applications`, on its name for mTLS and on the
 * name for browsers. `par`, `authorize` and `resources` are keys of these routes, and further routes; `issuers` makes the
 * `[[token_issuer]]` tables once the provider is there; `domain` are keys of both names, and `server` options of the provider.
 * Both end with the suite.
 */
export async function startBoth({ binary, folder, certificates, clients, applications, par = {}, authorize = {}, issuers, resources = [], domain = {}, server = {} }) {
  const profile = 'rfc9440';
  const provider = await startProvider({ profile, certificates, clients, ...server });
  const routes = (all) => [...all, ...resources].map((route) => (route.path === '/request' ? { ...route, ...par } : route));
  const edge = await startEdge({
    binary,
    folder,
    certificates,
    profile,
    applications,
    issuers: issuers?.(provider),
    upstream: provider.url,
    mtls: { client_auth: 'optional', issuer: ISSUER, ...domain, routes: routes(BACK_CHANNEL) },
    login: { client_auth: 'off', issuer: ISSUER, ...domain, routes: routes(loginRoutes(authorize)) },
  }).catch((error) => {
    provider.stop();
    throw error;
  });
  const open = [];
  return {
    provider,
    edge,
    /** An application that calls the edge, or with `alone` the server without it. Its connections end with the suite. */
    app: ({ alone = false, ...client }) => {
      const made = application({
        httpsPort: edge.httpsPort, serverCa: certificates.serverCa, ...(alone && { origin: provider.url }), ...client,
      });
      open.push(made);
      return made;
    },
    async stop() {
      await Promise.all(open.map((made) => made.close()));
      edge.kill();
      provider.stop();
    },
  };
}

/** Registers hooks that empty the provider's list before each test, and fail a test in which it failed inside. */
export function watch(provider) {
  beforeEach(() => {
    provider().seen.length = 0;
    provider().failures.length = 0;
  });
  afterEach(() => {
    assert.deepEqual(provider().failures, [], 'oidc-provider failed inside');
  });
}
