// mtls-edge between openid-client, as the application, and oidc-provider, as the authorization server.

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { basename } from 'node:path';
import { after, afterEach, before, beforeEach, describe, test } from 'node:test';

import { application, claims, pkce } from './support/application.mjs';
import { DOMAIN, PAYMENTS_DN, makeCertificates } from './support/certificates.mjs';
import { edgeBinary, startEdge } from './support/edge.mjs';
import { temporaryFolder } from './support/lifetime.mjs';
import { PROFILES } from './support/profiles.mjs';
import { certificateJwk, startProvider } from './support/provider.mjs';
import { assertRefused } from './support/refusals.mjs';

let binary;
let folder;
let certificates;
try {
  binary = edgeBinary();
  folder = temporaryFolder();
  certificates = makeCertificates(folder.path);
} catch (error) {
  console.error(error.message);
  process.exit(1);
}
after(() => folder.remove());

for (const profile of Object.keys(PROFILES)) {
  describe(`header profile ${profile}`, { timeout: 90_000 }, () => {
    const apiKey = randomBytes(24).toString('hex');
    const open = [];
    let provider;
    let edge;

    /** An application with its own connections, closed after the profile's last test. */
    const app = (clientId, certificate, headers) => {
      const made = application({
        clientId, certificate, headers, httpsPort: edge.httpsPort, serverCa: certificates.serverCa,
      });
      open.push(made);
      return made;
    };

    before(async () => {
      provider = await startProvider({ profile, certificates, apiKey, clients: clients() });
      edge = await startEdge({
        binary, folder: folder.path, profile, certificates, apiKey, upstream: provider.url, applications: applications(),
      });
    });
    after(async () => {
      edge?.kill();
      await Promise.all(open.map((made) => made.close()));
      provider?.stop();
    });
    beforeEach(() => {
      provider.seen.length = 0;
      provider.failures.length = 0;
    });
    afterEach(() => {
      assert.deepEqual(provider.failures, [], 'oidc-provider failed inside');
    });

    const methods = [
      { clientId: 'payments', method: 'tls_client_auth', names: ['payments1', 'payments2'], verdict: /^SUCCESS$/ },
      { clientId: 'billing', method: 'self_signed_tls_client_auth', names: ['billing1', 'billing2'], verdict: /^FAILED(:.+)?$/ },
    ];

    /** The provider saw one request, as the edge vouches for `certificate` to it. */
    const assertVouched = (path, certificate, verdict) => {
      assert.equal(provider.seen.length, 1);
      const [{ method, path: seenPath, protocol, hostname, headers }] = provider.seen;
      assert.deepEqual({ method, path: seenPath, protocol, hostname }, { method: 'POST', path, protocol: 'https', hostname: DOMAIN });
      const reader = PROFILES[profile];
      assert.equal(reader.certificate(headers).fingerprint256, certificate.x509.fingerprint256);
      if (reader.verdictHeader) assert.match(headers[reader.verdictHeader], verdict);
    };

    for (const { clientId, method, names, verdict } of methods) {
      test(`${method}: a token is bound to the certificate that asked for it`, async () => {
        const certificate = certificates[names[0]];
        const { cnf, client_id: owner } = claims(await app(clientId, certificate).token());
        assert.deepEqual({ cnf, owner }, { cnf: { 'x5t#S256': certificate.thumbprint }, owner: clientId });
        assertVouched('/token', certificate, verdict);
      });

      test(`${method}: an authorization request is pushed`, async () => {
        const certificate = certificates[names[0]];
        const url = await app(clientId, certificate).push((await pkce()).challenge);
        assert.match(url.searchParams.get('request_uri'), /^urn:ietf:params:oauth:request_uri:.+/);
        assertVouched('/request', certificate, verdict);
      });

      test(`${method}: credentials one and two work at once, through one running edge`, async () => {
        const inUse = names.map((name) => certificates[name]);
        const apps = inUse.map((certificate) => app(clientId, certificate));
        // Twice: the second round is on connections that were open before the other certificate came.
        for (let round = 0; round < 2; round += 1) {
          const tokens = await Promise.all(apps.map((made) => made.token()));
          assert.deepEqual(
            tokens.map((token) => claims(token).cnf['x5t#S256']),
            inUse.map(({ thumbprint }) => thumbprint),
          );
        }
      });
    }

    const wrong = [
      ['billing', 'payments1', 'the certificate of another application'],
      ['payments', 'billing1', 'the self-signed certificate of another application'],
      ['billing', 'billingUnregistered', 'a self-signed certificate that nobody registered, with the same subject'],
      ['payments', 'paymentsOfAStrangerCa', 'a certificate with the right subject, from a CA of the same name'],
      ['payments', 'paymentsOfAnotherSubject', 'a certificate from the right CA, with a subject that begins alike'],
      ['payments', 'paymentsSelfSigned', 'a self-signed certificate with the right subject'],
    ];

    for (const [clientId, name, what] of wrong) {
      test(`the edge refuses for ${clientId} ${what}`, async () => {
        const made = app(clientId, certificates[name]);
        await assertRefused(made.token());
        await assertRefused(made.push((await pkce()).challenge));
        assert.deepEqual(provider.seen, [], 'the authorization server saw a request that the edge should have refused');
      });
    }

    test('inbound copies of the vouching headers win nothing', async () => {
      const forged = PROFILES[profile].forge(certificates.payments1);
      await assertRefused(app('payments', certificates.paymentsSelfSigned, forged).token());
      assert.deepEqual(provider.seen, []);

      const token = await app('billing', certificates.billing1, forged).token();
      assert.equal(claims(token).cnf['x5t#S256'], certificates.billing1.thumbprint);
      assertVouched('/token', certificates.billing1, /^FAILED(:.+)?$/);
      const sentOnce = Object.keys(forged).map(plain);
      const received = provider.seen[0].rawHeaders.filter((_, index) => index % 2 === 0).map(plain);
      for (const header of new Set(sentOnce)) {
        assert.equal(received.filter((other) => other === header).length, 1, `${header} arrived other than once`);
      }
    });

    // Last: connections of the tests above are still open, kept alive.
    test('SIGTERM ends the edge with exit code 0, and its log holds no secret', async () => {
      assert.deepEqual(await edge.stop(), { code: 0, signal: null }, edge.log());
      assert.ok(!edge.log().includes(apiKey));
    });
  });
}

/** As the authorization server knows them. */
function clients() {
  return [
    { client_id: 'payments', token_endpoint_auth_method: 'tls_client_auth', tls_client_auth_subject_dn: PAYMENTS_DN },
    {
      client_id: 'billing',
      token_endpoint_auth_method: 'self_signed_tls_client_auth',
      jwks: { keys: [certificates.billing1, certificates.billing2].map(certificateJwk) },
    },
  ];
}

/** As the edge does. Two credentials each: `payments` moves from one CA to the next, `billing` from one key to the next. */
function applications() {
  const [ca1, ca2] = certificates.clientCas.map(({ certificateFile }) => basename(certificateFile));
  return [
    {
      client_id: 'payments',
      auth_method: 'tls_client_auth',
      credential: [
        { name: 'one', subject_dn: PAYMENTS_DN, ca: ca1 },
        { name: 'two', subject_dn: PAYMENTS_DN, ca: ca2 },
      ],
    },
    {
      client_id: 'billing',
      auth_method: 'self_signed_tls_client_auth',
      credential: [
        { name: 'one', thumbprint: certificates.billing1.hexThumbprint },
        { name: 'two', certificate: basename(certificates.billing2.certificateFile) },
      ],
    },
  ];
}

/** A header's name as servers that fold `_`, `-` and the like see it. */
function plain(name) {
  return name.toLowerCase().replace(/[^a-z0-9]/g, '');
}
