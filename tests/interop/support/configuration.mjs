// The edge's two files, as an operator writes them.

import { DOMAIN, LOGIN_DOMAIN } from './certificates.mjs';
import { PROFILES } from './profiles.mjs';

const BACK_CHANNEL = [
  { path: '/token', authenticate: 'client' },
  { path: '/request', authenticate: 'client' },
];

/**
 * edge.toml. `mtls` and `login` are the routes and further keys of the two names; `login` is left out where nobody logs in.
 * `upstreamKeys` are further keys of `[[upstream]]`, `trust` those of `[trust]`, `listen` those of `[listen]`, `traces` those of `[traces]`, `profiles` and `issuers` the `[[header_profile]]` and
 * `[[token_issuer]]` tables.
 */
export function edgeToml({
  profile, profiles = [], issuers = [], httpsPort, adminPort, upstream, upstreamKeys = {}, apiKey, trust = {}, listen = {},
  traces,
  mtls = { client_auth: 'required', routes: BACK_CHANNEL }, login,
}) {
  const apiKeyHeader = PROFILES[profile]?.apiKeyHeader;
  const domain = (name, { routes, ...keys }) => table('[[domain]]', {
    name,
    certificate: 'server.pem',
    private_key: 'server.key',
    upstream: 'server',
    header_profile: profile,
    ...keys,
  }) + routes.map((route) => table('[[domain.route]]', { methods: ['POST'], ...route })).join('');
  return [
    table('[listen]', { https: [`127.0.0.1:${httpsPort}`], admin: `127.0.0.1:${adminPort}`, ...listen }),
    traces ? table('[traces]', traces) : '',
    table('[trust]', { client_ca: ['client-cas.pem'], applications: 'applications.toml', ...trust }),
    table('[[upstream]]', {
      name: 'server',
      urls: [upstream],
      ...upstreamKeys,
      ...(apiKey && apiKeyHeader && { headers: { [apiKeyHeader]: { file: 'api-key' } } }),
    }),
    ...issuers.map((one) => table('[[token_issuer]]', one)),
    ...profiles.map((one) => table('[[header_profile]]', one)),
    domain(DOMAIN, mtls),
    login ? domain(LOGIN_DOMAIN, login) : '',
  ].join('');
}

/** applications.toml: one object for each `[[application]]`, with lists of the tables below it. */
export function applicationsToml(applications) {
  return applications.map(({ credential = [], certificate = [], request_key = [], ...keys }) => [
    table('[[application]]', keys),
    ...credential.map((one) => table('[[application.credential]]', one)),
    ...certificate.map((one) => table('[[application.certificate]]', one)),
    ...request_key.map((one) => table('[[application.request_key]]', one)),
  ].join('')).join('');
}

function table(header, keys) {
  const lines = Object.entries(keys).filter(([, value]) => value !== undefined);
  return `${header}\n${lines.map(([key, value]) => `${key} = ${toml(value)}\n`).join('')}\n`;
}

/** A key as TOML writes it. */
function bare(key) {
  return /^[A-Za-z0-9_-]+$/.test(key) ? key : JSON.stringify(key);
}

function toml(value) {
  if (value instanceof Date) return value.toISOString();
  if (Array.isArray(value)) return `[${value.map(toml).join(', ')}]`;
  if (typeof value === 'object') return `{ ${Object.entries(value).map(([key, one]) => `${bare(key)} = ${toml(one)}`).join(', ')} }`;
  return JSON.stringify(value);
}
