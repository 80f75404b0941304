// The edge as an operator runs it: configuration files, a process, its admin address, SIGTERM.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { accessSync, constants, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { basename, join, resolve } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';

import { DOMAIN, PAYMENTS_DN } from './certificates.mjs';
import { atExit } from './lifetime.mjs';
import { PROFILES } from './profiles.mjs';

const START_LIMIT_MS = 15_000;
const STOP_LIMIT_MS = 15_000;

/** The program under test; throws one line that says what to do where it is not there. */
export function edgeBinary() {
  const repository = resolve(import.meta.dirname, '../../..');
  const path = resolve(process.env.MTLS_EDGE_BIN ?? join(repository, 'target/debug/mtls-edge'));
  try {
    accessSync(path, constants.X_OK);
  } catch {
    throw new Error(`no mtls-edge at ${path}: run \`cargo build\` in the repository, or set MTLS_EDGE_BIN`);
  }
  return path;
}

/** Writes the configuration into `folder`, where the certificates are, starts the edge and waits until it is ready. */
export async function startEdge({ binary, folder, profile, certificates, upstream, apiKey }) {
  const [httpsPort, adminPort] = await freePorts(2);
  writeFileSync(join(folder, 'client-cas.pem'), certificates.clientCas.map(({ pem }) => pem).join(''));
  writeFileSync(join(folder, 'api-key'), `${apiKey}\n`, { mode: 0o600 });
  writeFileSync(join(folder, 'applications.toml'), applicationsToml(certificates));
  const config = join(folder, 'edge.toml');
  writeFileSync(config, edgeToml({ profile, httpsPort, adminPort, upstream }));

  const child = spawn(binary, ['run', '--config', config], { stdio: ['ignore', 'pipe', 'pipe'] });
  const kill = atExit(() => child.kill('SIGKILL'));
  let log = '';
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text) => { log += text; });
  let failure;
  const closed = new Promise((done) => {
    child.once('error', (error) => {
      failure = error.message;
      done();
    });
    child.once('close', (code, signal) => {
      failure ??= `exit code ${code}, signal ${signal}`;
      done({ code, signal });
    });
  });

  const deadline = Date.now() + START_LIMIT_MS;
  while (!(await isReady(adminPort))) {
    if (failure || Date.now() > deadline) {
      kill();
      await closed;
      throw new Error(`the edge did not become ready (${failure}); it said:\n${log}`);
    }
    await pause(50);
  }

  return {
    httpsPort,
    log: () => log,
    kill,
    /** Asks it to end and resolves to how it did: `{ code, signal }`; killed where it takes too long. */
    async stop() {
      const timer = setTimeout(kill, STOP_LIMIT_MS);
      child.kill('SIGTERM');
      try {
        return await closed;
      } finally {
        clearTimeout(timer);
        kill();
      }
    },
  };
}

async function isReady(adminPort) {
  try {
    const response = await fetch(`http://127.0.0.1:${adminPort}/readyz`, { signal: AbortSignal.timeout(1000) });
    await response.arrayBuffer();
    return response.status === 200;
  } catch {
    return false;
  }
}

/** Ports that were free a moment ago; all are held at once, so that no two are the same. */
async function freePorts(count) {
  const servers = Array.from({ length: count }, () => createServer().listen(0, '127.0.0.1'));
  await Promise.all(servers.map((server) => once(server, 'listening')));
  const ports = servers.map((server) => server.address().port);
  await Promise.all(servers.map((server) => once(server.close(), 'close')));
  return ports;
}

function edgeToml({ profile, httpsPort, adminPort, upstream }) {
  const { apiKeyHeader } = PROFILES[profile];
  return `
[listen]
https = ["127.0.0.1:${httpsPort}"]
admin = "127.0.0.1:${adminPort}"

[trust]
client_ca = ["client-cas.pem"]
applications = "applications.toml"

[[upstream]]
name = "oidc-provider"
urls = ["${upstream}"]
${apiKeyHeader ? `headers = { ${apiKeyHeader} = { file = "api-key" } }` : ''}

[[domain]]
name = "${DOMAIN}"
certificate = "server.pem"
private_key = "server.key"
client_auth = "required"
upstream = "oidc-provider"
header_profile = "${profile}"

[[domain.route]]
path = "/token"
methods = ["POST"]
authenticate = "client"

[[domain.route]]
path = "/request"
methods = ["POST"]
authenticate = "client"
`;
}

/** Two credentials each: `payments` moves from one CA to the next, `billing` from one key to the next. */
function applicationsToml(certificates) {
  const [ca1, ca2] = certificates.clientCas.map(({ certificateFile }) => basename(certificateFile));
  return `
[[application]]
client_id = "payments"
auth_method = "tls_client_auth"

[[application.credential]]
name = "one"
subject_dn = "${PAYMENTS_DN}"
ca = "${ca1}"

[[application.credential]]
name = "two"
subject_dn = "${PAYMENTS_DN}"
ca = "${ca2}"

[[application]]
client_id = "billing"
auth_method = "self_signed_tls_client_auth"

[[application.credential]]
name = "one"
thumbprint = "${certificates.billing1.hexThumbprint}"

[[application.credential]]
name = "two"
certificate = "${basename(certificates.billing2.certificateFile)}"
`;
}
