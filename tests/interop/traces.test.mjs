// Spans of the edge in OpenTelemetry's collector, below the span of a trusted proxy and of nobody else.

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { after, before, describe, test } from 'node:test';

import { edgeOrigin } from './support/application.mjs';
import { DOMAIN, PAYMENTS_DN } from './support/certificates.mjs';
import { collectorMissing, startCollector } from './support/collector.mjs';
import { http1 } from './support/connections.mjs';
import { startEdge } from './support/edge.mjs';
import { prepare } from './support/suite.mjs';

const missing = collectorMissing();
const skip = missing && `NOT TRIED: no ${missing} (tests/interop/collector/build.sh)`;
const [SERVER, CLIENT] = [2, 3];

describe("OpenTelemetry's collector", { skip, timeout: 90_000 }, async () => {
  if (skip) return;
  const { binary, folder, certificates } = prepare();
  const { payments1, serverCa } = certificates;
  let collector;
  let upstream;
  const seen = [];

  before(async () => {
    collector = await startCollector({ folder });
    upstream = createServer((request, response) => {
      seen.push(request.headers);
      request.resume().on('end', () => response.setHeader('content-type', 'application/json').end('{}'));
    });
    await once(upstream.listen(0, '127.0.0.1'), 'listening');
  });
  after(async () => {
    await collector?.stop();
    upstream?.close();
    upstream?.closeAllConnections();
  });

  /** An edge whose client is a trusted proxy, or is not, and that samples this share; `call` sends a request with these headers. */
  async function edge({ isTrusted, sample }) {
    const started = await startEdge({
      binary,
      folder,
      certificates,
      profile: 'nginx',
      upstream: `http://127.0.0.1:${upstream.address().port}`,
      listen: { trusted_proxies: isTrusted ? ['127.0.0.1'] : [] },
      traces: { endpoint: collector.url, sample, interval: '100ms', resource: { 'deployment.environment.name': 'interop' } },
      applications: [{ client_id: 'payments', auth_method: 'tls_client_auth', credential: [{ name: 'ca', subject_dn: PAYMENTS_DN }] }],
    });
    const connections = http1({ serverCa, certificate: payments1 });
    return {
      log: started.log,
      async call(headers = {}) {
        const response = await connections.fetch(`${edgeOrigin(DOMAIN, started.httpsPort)}/token`, {
          method: 'POST', headers, body: new URLSearchParams({ client_id: 'payments', grant_type: 'client_credentials' }),
        });
        await response.arrayBuffer();
        assert.equal(response.status, 200);
        return { requestId: response.headers.get('x-request-id'), atUpstream: seen.at(-1) };
      },
      async stop() {
        await connections.close();
        await started.stop();
      },
    };
  }

  const serverSpan = (requestId) => collector.span(({ kind, attributes }) => kind === SERVER && attributes['mtls_edge.request_id'] === requestId);
  const clientSpan = (parent) => collector.span(({ kind, parentSpanId }) => kind === CLIENT && parentSpanId === parent.spanId);
  const parentOf = (flags) => {
    const [traceId, spanId] = [randomBytes(16).toString('hex'), randomBytes(8).toString('hex')];
    return { traceId, spanId, headers: { traceparent: `00-${traceId}-${spanId}-${flags}`, tracestate: 'proxy=1' } };
  };

  test("a trusted proxy's sampled trace goes on through the edge to the upstream", async () => {
    const { call, stop } = await edge({ isTrusted: true, sample: 0 });
    try {
      const { traceId, spanId, headers } = parentOf('01');
      const { requestId, atUpstream } = await call(headers);
      const server = await serverSpan(requestId);
      assert.equal(server.traceId, traceId);
      assert.equal(server.parentSpanId, spanId);
      assert.equal(server.name, 'POST /token');
      assert.equal(server.attributes['mtls_edge.client_id'], 'payments');
      assert.equal(server.resource['service.name'], 'mtls-edge');
      assert.equal(server.resource['deployment.environment.name'], 'interop');
      const client = await clientSpan(server);
      assert.equal(atUpstream.traceparent, `00-${traceId}-${client.spanId}-01`);
      assert.equal(atUpstream.tracestate, 'proxy=1');
      assert.equal(client.attributes['server.address'], '127.0.0.1');
      assert.ok(BigInt(server.startTimeUnixNano) <= BigInt(client.startTimeUnixNano));
    } finally {
      await stop();
    }
  });

  test('what a trusted proxy has not sampled is not exported', async () => {
    const { call, stop } = await edge({ isTrusted: true, sample: 1 });
    const { traceId, headers } = parentOf('00');
    const { atUpstream } = await call(headers);
    assert.equal(atUpstream.traceparent, headers.traceparent);
    await stop();
    assert.ok(collector.spans.every((span) => span.traceId !== traceId));
  });

  test("an outsider's trace is replaced by one that the edge decides about", async () => {
    for (const [sample, flags] of [[1, '01'], [0, '00']]) {
      const { call, log, stop } = await edge({ isTrusted: false, sample });
      const { traceId, headers } = parentOf('01');
      const { requestId, atUpstream } = await call(headers);
      assert.match(atUpstream.traceparent, new RegExp(`^00-${requestId}-[0-9a-f]{16}-${flags}$`));
      assert.equal(atUpstream.tracestate, undefined);
      if (sample) {
        const server = await serverSpan(requestId);
        assert.equal(server.traceId, requestId);
        assert.ok(!server.parentSpanId);
        assert.match(log(), new RegExp(`trace_id=${requestId}`));
      }
      await stop();
      assert.ok(collector.spans.every((span) => span.traceId !== traceId));
      assert.equal(collector.spans.some((span) => span.traceId === requestId), sample === 1);
    }
  });

  test('spans arrive again after the collector was killed and started', async () => {
    const { call, stop } = await edge({ isTrusted: false, sample: 1 });
    try {
      await serverSpan((await call()).requestId);
      await collector.kill();
      const { requestId } = await call();
      await collector.start();
      const later = await call();
      await serverSpan(later.requestId);
      // The one from between was sent again.
      await serverSpan(requestId);
    } finally {
      await stop();
    }
  });
});
