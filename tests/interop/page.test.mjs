// The commands and the provider of docs/deploy/oidc-provider/README.md, as a newcomer runs them, on free ports.

import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';

import { edgeBinary, freePorts } from './support/edge.mjs';
import { atExit, temporaryFolder } from './support/lifetime.mjs';

const START_LIMIT_MS = 15_000;
const page = readFileSync(join(import.meta.dirname, '../../docs/deploy/oidc-provider/README.md'), 'utf8');

/** A fenced block of the page. */
function block(info) {
  const [, text] = page.split(`\`\`\`${info}\n`);
  assert.ok(text, `the page has no block ${info}`);
  return text.split('```\n')[0];
}

describe('the page about oidc-provider', { timeout: 60_000 }, () => {
  const folder = temporaryFolder();
  const place = join(folder.path, 'my-edge');
  const ends = [];
  let environment;
  let ports;

  /** A block with the ports of this run. */
  const adapted = (text) => text
    .replaceAll('8443', ports[0]).replaceAll('127.0.0.1:9443', `127.0.0.1:${ports[1]}`).replaceAll('127.0.0.1:3000', `127.0.0.1:${ports[2]}`)
    .replace('listen(3000,', `listen(${ports[2]},`);
  const shell = (text, cwd) => spawnSync('bash', ['-euo', 'pipefail', '-c', adapted(text)], { cwd, env: environment, encoding: 'utf8' });
  /** Starts a block, and waits for a path of an address that it listens on. */
  const start = async (info, port, path) => {
    const child = spawn('bash', ['-e', '-c', block(info)], { cwd: place, env: environment, detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
    ends.push(atExit(() => process.kill(-child.pid, 'SIGKILL')));
    let log = '';
    for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text) => { log += text; });
    const limit = Date.now() + START_LIMIT_MS;
    while (!(await fetch(`http://127.0.0.1:${port}${path}`).then(({ ok }) => ok, () => false))) {
      assert.ok(Date.now() < limit && child.exitCode === null, `the block ${info}: ${log}`);
      await pause(50);
    }
  };

  before(async () => {
    ports = await freePorts(3);
    // The program by its name, as installed.
    const programs = join(folder.path, 'bin');
    mkdirSync(programs);
    symlinkSync(edgeBinary(), join(programs, 'mtls-edge'));
    environment = { ...process.env, PATH: `${programs}:${dirname(process.execPath)}:${process.env.PATH}`, no_proxy: '*' };
    const made = shell(block('sh files').replace(/^npm install oidc-provider@9$/m, `ln -s ${join(import.meta.dirname, 'node_modules')} .`), folder.path);
    assert.equal(made.status, 0, made.stderr);
    const config = join(place, 'edge.toml');
    writeFileSync(config, adapted(readFileSync(config, 'utf8')));
    writeFileSync(join(place, 'provider.mjs'), adapted(block('js provider.mjs')));
    await start('sh provider', ports[2], '/.well-known/openid-configuration');
    await start('sh edge', ports[1], '/readyz');
  });
  after(() => {
    for (const end of ends) end();
    folder.remove();
  });

  test('the calls get a bound token, its introspection, a request_uri and a revocation', () => {
    const called = shell(block('sh call'), place);
    assert.equal(called.status, 0, called.stderr);
    const [token, introspection, pushed, revoked] = called.stdout.split('\n');
    assert.equal(JSON.parse(token).token_type, 'Bearer', called.stdout);
    const { active, cnf, client_id: client } = JSON.parse(introspection);
    assert.deepEqual({ active, client }, { active: true, client: 'billing' });
    assert.match(cnf['x5t#S256'], /^[\w-]{43}$/);
    assert.match(JSON.parse(pushed).request_uri, /^urn:/);
    assert.equal(revoked, '');
  });

  test('the certificate of another application gets 401', () => {
    const called = shell(block('sh call').replaceAll('billing.', 'payments.').replace('-sS', '-sS -i'), place);
    assert.match(called.stdout, / 401 /);
  });

  test('the files beside the page route the same paths', () => {
    const paths = (text) => [...text.matchAll(/^path = "(.*)"/gm)].map(([, path]) => path);
    const short = readFileSync(join(import.meta.dirname, '../../docs/deploy/oidc-provider/edge.toml'), 'utf8');
    const whole = paths(readFileSync(join(place, 'edge.toml'), 'utf8'));
    assert.deepEqual(paths(short), whole);
    assert.deepEqual(paths(page.replaceAll(/^\| `(\/.*?)` \|.*$/gm, 'path = "$1"')), whole);
  });
});
