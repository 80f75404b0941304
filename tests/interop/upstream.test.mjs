// A server that demands the edge's own certificate: there is no way around the edge.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { copyFileSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';

import { application, claims } from './support/application.mjs';
import { PAYMENTS_DN } from './support/certificates.mjs';
import { requestDirectly } from './support/directly.mjs';
import { startEdge } from './support/edge.mjs';
import { startProvider } from './support/provider.mjs';
import { prepare } from './support/suite.mjs';

describe('oidc-provider that demands the certificate of the edge', { timeout: 60_000 }, async () => {
  const { binary, folder, certificates } = prepare();
  const { upstream, edgeCa, serverCa, payments1 } = certificates;
  const clients = [{ client_id: 'payments', token_endpoint_auth_method: 'tls_client_auth', tls_client_auth_subject_dn: PAYMENTS_DN }];
  const applications = [
    { client_id: 'payments', auth_method: 'tls_client_auth', credential: [{ name: 'ca', subject_dn: PAYMENTS_DN }] },
  ];
  let provider;
  let edge;

  before(async () => {
    provider = await startProvider({
      profile: 'nginx',
      certificates,
      clients,
      tls: { key: upstream.key, cert: upstream.pem, ca: edgeCa.pem, requestCert: true, rejectUnauthorized: true },
    });
    edge = await startEdge({
      binary,
      folder,
      certificates,
      profile: 'nginx',
      upstream: provider.url,
      upstreamKeys: { ca: 'server-ca.pem', client_certificate: 'edge.pem', private_key: 'edge.key' },
      applications,
    });
  });
  after(() => {
    edge?.kill();
    provider?.stop();
  });

  test('an application gets a token through the edge', async () => {
    const app = application({ clientId: 'payments', certificate: payments1, httpsPort: edge.httpsPort, serverCa });
    try {
      assert.equal(claims(await app.token()).cnf['x5t#S256'], payments1.thumbprint);
    } finally {
      await app.close();
    }
    assert.deepEqual(provider.failures, []);
  });

  for (const [who, certificate] of [['nobody', undefined], ['an application', payments1]]) {
    test(`forged headers do not reach the server from ${who}`, async () => {
      const before = provider.seen.length;
      await assert.rejects(forge(certificate), /alert|ECONNRESET|socket hang up/);
      assert.equal(provider.seen.length, before);
    });
  }

  test('the same headers are believed from anyone who has the certificate of the edge', async () => {
    const { status, body } = await forge(certificates.edge);
    assert.equal(status, 200, body);
  });

  test('doctor finds the server closed', async () => {
    const { code, stdout } = await doctor(folder);
    assert.equal(code, 0, stdout);
    assert.match(stdout, /closed: only the edge, with its certificate, gets an answer/);
    assert.match(stdout, /as the edge sends it: 200 with an access token/);
  });

  test('doctor finds a server that believes anyone', async () => {
    const open = await startProvider({ profile: 'nginx', certificates, clients });
    const own = join(folder, 'open');
    mkdirSync(own);
    for (const name of ['server.pem', 'server.key', 'payments-1.pem']) copyFileSync(join(folder, name), join(own, name));
    const trusting = await startEdge({ binary, folder: own, certificates, profile: 'rfc9440', upstream: open.url, applications });
    try {
      const { code, stdout } = await doctor(own);
      assert.equal(code, 1, stdout);
      assert.match(stdout, /BELIEVES FORGED HEADERS/);
      assert.match(stdout, /with forged headers of the profile nginx, as "payments": 200 with an access token/);
    } finally {
      trusting.kill();
      open.stop();
    }
  });

  const doctor = (directory) => new Promise((done) => {
    execFile(binary, ['doctor', '--config', join(directory, 'edge.toml')], (error, stdout) => done({ code: error?.code ?? 0, stdout }));
  });

  /** Asks the server itself for a token of `payments`, with the headers that the edge would set. */
  const forge = (certificate) => requestDirectly({
    url: `${provider.url}/token`,
    serverCa,
    certificate,
    form: { grant_type: 'client_credentials', client_id: 'payments' },
    headers: {
      'ssl-client-cert': encodeURIComponent(payments1.pem),
      'ssl-client-verify': 'SUCCESS',
      'ssl-client-subject-dn': PAYMENTS_DN,
    },
  });
});
