// The edge as an operator runs it: configuration files, a process, its admin address, SIGTERM.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { accessSync, constants, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join, resolve } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';

import { applicationsToml, edgeToml } from './configuration.mjs';
import { atExit } from './lifetime.mjs';

const START_LIMIT_MS = 15_000;
const STOP_LIMIT_MS = 15_000;
const RELOAD_LIMIT_MS = 10_000;

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

/**
 * Writes the configuration into `folder`, where certificates and keys are, starts the edge and waits until it is ready.
 * `applications` and `settings` are those of configuration.mjs.
 */
export async function startEdge({ binary, folder, certificates, apiKey, applications, ...settings }) {
  const [httpsPort, adminPort] = await freePorts(2);
  writeFileSync(join(folder, 'client-cas.pem'), certificates.clientCas.map(({ pem }) => pem).join(''));
  if (apiKey) writeFileSync(join(folder, 'api-key'), `${apiKey}\n`, { mode: 0o600 });
  const registry = join(folder, 'applications.toml');
  writeFileSync(registry, applicationsToml(applications));
  const config = join(folder, 'edge.toml');
  writeFileSync(config, edgeToml({ httpsPort, adminPort, apiKey, ...settings }));

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
      throw new Error(`the edge did not become ready (${failure}); it printed:\n${log}`);
    }
    await pause(50);
  }

  return {
    httpsPort,
    adminPort,
    log: () => log,
    kill,
    /** Replaces the registry while the edge runs; resolves once it is in force. */
    async register(registered) {
      const text = applicationsToml(registered);
      if (text === readFileSync(registry, 'utf8')) return;
      const { generation } = await status(adminPort);
      writeFileSync(`${registry}.new`, text);
      renameSync(`${registry}.new`, registry);
      const limit = Date.now() + RELOAD_LIMIT_MS;
      for (;;) {
        const { generation: now, trust } = await status(adminPort);
        if (now > generation) return;
        if (trust.failure || Date.now() > limit) throw new Error(`the registry did not change; the edge printed:\n${log}`);
        await pause(20);
      }
    },
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

async function status(adminPort) {
  const response = await fetch(`http://127.0.0.1:${adminPort}/status`, { signal: AbortSignal.timeout(2000) });
  return response.json();
}

/** Ports that were free a moment ago; all are held at once, so that no two are the same. */
export async function freePorts(count) {
  const servers = Array.from({ length: count }, () => createServer().listen(0, '127.0.0.1'));
  await Promise.all(servers.map((server) => once(server, 'listening')));
  const ports = servers.map((server) => server.address().port);
  await Promise.all(servers.map((server) => once(server.close(), 'close')));
  return ports;
}
