// Glewlwyd from Debian as the authorization server behind the edge: its own database in a folder, set up over its API.

import { execFileSync, spawn } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { gunzipSync } from 'node:zlib';

import { freePorts } from './edge.mjs';
import { atExit } from './lifetime.mjs';
import { ISSUER, REDIRECT_URI } from './provider.mjs';

const MODULES = '/usr/lib/glewlwyd';
const EMPTY_DATABASE = '/usr/share/doc/glewlwyd/database/init.sqlite3.sql.gz';
const START_LIMIT_MS = 15_000;

/** Where the plugin serves its endpoints. */
export const GLEWLWYD_PATH = '/api/oidc';

/** The header in which it expects the client's certificate, in PEM with spaces for newlines. */
export const CERTIFICATE_HEADER = 'ssl-client-cert';

/** What is missing to start it, if anything is. */
export function glewlwydMissing() {
  return [EMPTY_DATABASE, MODULES].find((path) => !existsSync(path));
}

/**
 * Starts Glewlwyd on a free loopback port with its plugin for OpenID Connect and `clients`, each with Glewlwyd's own
 * names of properties.
 */
export async function startGlewlwyd({ folder, clients }) {
  const [port] = await freePorts(1);
  const url = `http://127.0.0.1:${port}`;
  const database = join(folder, 'glewlwyd.db');
  execFileSync('sqlite3', [database], { input: gunzipSync(readFileSync(EMPTY_DATABASE)), stdio: ['pipe', 'ignore', 'inherit'] });
  const config = join(folder, 'glewlwyd.conf');
  writeFileSync(config, `
port=${port}
bind_address="127.0.0.1"
external_url="${url}"
api_prefix="api"
login_url="login.html"
log_mode="console"
log_level="WARNING"
user_module_path="${MODULES}/user"
client_module_path="${MODULES}/client"
user_auth_scheme_module_path="${MODULES}/scheme"
plugin_module_path="${MODULES}/plugin"
hash_algorithm="SHA512"
database = { type = "sqlite3" path = "${database}" };
`);
  const child = spawn('glewlwyd', ['-c', config], { stdio: ['ignore', 'pipe', 'pipe'] });
  const kill = atExit(() => child.kill('SIGKILL'));
  let log = '';
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text) => { log += text; });

  const administer = await administrator(url, () => log);
  // Its own table of client properties lacks the subject, though the plugin reads it.
  const module = await administer('GET', '/mod/client/database');
  module.parameters['data-format'].tls_client_auth_subject_dn = { multiple: false, read: true, write: true };
  await administer('PUT', '/mod/client/database', module);
  await administer('PUT', '/mod/client/database/reset');
  await administer('POST', '/scope/', { name: 'read', display_name: 'read', description: 'read', password_required: false, scheme: {} });
  await administer('POST', '/mod/plugin/', { module: 'oidc', name: 'oidc', display_name: 'oidc', enabled: true, parameters: PLUGIN });
  for (const { client_id: clientId, ...properties } of clients) {
    await administer('POST', '/client/', {
      client_id: clientId,
      name: clientId,
      client_name: clientId,
      confidential: true,
      enabled: true,
      scope: ['read'],
      authorization_type: ['client_credentials', 'code'],
      redirect_uri: [REDIRECT_URI],
      ...properties,
    });
  }
  return { url, log: () => log, stop: kill };
}

const PLUGIN = {
  iss: ISSUER,
  'jwt-type': 'sha',
  'jwt-key-size': '256',
  key: 'interop',
  'code-duration': 600,
  'refresh-token-duration': 1200,
  'access-token-duration': 600,
  'allow-non-oidc': true,
  'auth-type-client-enabled': true,
  'auth-type-code-enabled': true,
  'auth-type-token-enabled': false,
  'auth-type-implicit-enabled': false,
  'auth-type-password-enabled': false,
  'auth-type-refresh-enabled': true,
  'client-cert-source': 'header',
  'client-cert-header-name': CERTIFICATE_HEADER,
  'client-cert-self-signed-allowed': true,
  'client-cert-use-endpoint-aliases': false,
  'pkce-allowed': true,
  'pkce-method-plain-allowed': true,
  'request-parameter-allow': true,
  'request-maximum-exp': 3600,
  'client-jwks-parameter': 'jwks',
  'client-pubkey-parameter': 'pubkey',
  'oauth-par-allowed': true,
  'oauth-par-required': false,
  'oauth-par-duration': 90,
  'oauth-par-request_uri-prefix': 'urn:ietf:params:oauth:request_uri:',
};

/** Waits for the server, logs in as the administrator of a new database, and resolves to a function for API calls. */
async function administrator(url, log) {
  let cookie = '';
  const call = async (method, path, body) => {
    const response = await fetch(`${url}/api${path}`, {
      method,
      headers: { 'content-type': 'application/json', cookie },
      body: body && JSON.stringify(body),
      signal: AbortSignal.timeout(5000),
    });
    const text = await response.text();
    if (response.status !== 200) throw new Error(`Glewlwyd answered ${method} ${path} with ${response.status}: ${text}`);
    cookie = response.headers.getSetCookie().map((one) => one.split(';')[0]).join('; ') || cookie;
    return text && JSON.parse(text);
  };
  const deadline = Date.now() + START_LIMIT_MS;
  for (;;) {
    try {
      await call('POST', '/auth/', { username: 'admin', password: 'password' });
      return call;
    } catch (error) {
      if (Date.now() > deadline) throw new Error(`Glewlwyd did not start (${error.message}); it printed:\n${log()}`);
      await pause(50);
    }
  }
}
