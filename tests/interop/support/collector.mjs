// OpenTelemetry's collector: takes OTLP from the edge, decodes it, and passes it on as JSON to a list of this process.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { connect } from 'node:net';
import { join, resolve } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';

import { freePorts } from './edge.mjs';
import { atExit } from './lifetime.mjs';

const START_LIMIT_MS = 15_000;
const ARRIVAL_LIMIT_MS = 15_000;

const repository = resolve(import.meta.dirname, '../../..');
const version = /otlpreceiver v(\S+)/.exec(readFileSync(join(repository, 'tests/interop/collector/builder.yaml'), 'utf8'))[1];
const program = resolve(repository, process.env.CARGO_TARGET_DIR ?? 'target', 'collector', `otelcol-${version}`);

/** What is missing to start it, if anything is. */
export function collectorMissing() {
  return existsSync(program) ? undefined : program;
}

/** Starts a collector on a free loopback port. `kill()` and `start()` end it and start it again on the same port. */
export async function startCollector({ folder }) {
  const spans = [];
  const sink = createServer(async (request, response) => {
    const chunks = await request.toArray();
    spans.push(...read(JSON.parse(Buffer.concat(chunks))));
    response.setHeader('content-type', 'application/json').end('{}');
  });
  await once(sink.listen(0, '127.0.0.1'), 'listening');
  const [port] = await freePorts(1);
  const config = join(folder, 'collector.json');
  // YAML contains JSON.
  writeFileSync(config, JSON.stringify({
    receivers: { otlp: { protocols: { http: { endpoint: `127.0.0.1:${port}` } } } },
    exporters: {
      otlp_http: {
        endpoint: `http://127.0.0.1:${sink.address().port}`,
        encoding: 'json',
        compression: 'none',
        sending_queue: { enabled: false },
      },
    },
    service: {
      telemetry: { metrics: { level: 'none' } },
      pipelines: { traces: { receivers: ['otlp'], exporters: ['otlp_http'] } },
    },
  }));
  let end;
  let ended;
  const collector = {
    url: `http://127.0.0.1:${port}`,
    /** The spans so far, as objects: ids in hex, `attributes` and `resource` by name. */
    spans,
    async start() {
      let log = '';
      let failed = false;
      const child = spawn(program, ['--config', config], { stdio: ['ignore', 'ignore', 'pipe'] });
      child.stderr.setEncoding('utf8').on('data', (text) => { log += text; });
      end = atExit(() => child.kill('SIGKILL'));
      ended = once(child, 'close').then(() => { failed = true; });
      for (const limit = Date.now() + START_LIMIT_MS; !(await isOpen(port)); await pause(20)) {
        if (failed || Date.now() > limit) {
          end();
          throw new Error(`the collector did not start; it printed:\n${log}`);
        }
      }
    },
    async kill() {
      end();
      await ended;
    },
    /** Resolves to the span for which `is` holds, once it has arrived. */
    async span(is) {
      for (const limit = Date.now() + ARRIVAL_LIMIT_MS; ; await pause(20)) {
        const found = spans.find(is);
        if (found) return found;
        if (Date.now() > limit) throw new Error(`no such span in ${JSON.stringify(spans, undefined, 1)}`);
      }
    },
    async stop() {
      await collector.kill();
      sink.close();
      sink.closeAllConnections();
    },
  };
  await collector.start();
  return collector;
}

function read({ resourceSpans }) {
  return resourceSpans.flatMap(({ resource, scopeSpans }) => scopeSpans.flatMap(({ spans }) => spans.map((span) => ({
    ...span, attributes: byName(span.attributes), resource: byName(resource.attributes),
  }))));
}

function byName(attributes) {
  return Object.fromEntries(attributes.map(({ key, value }) => [key, Object.values(value)[0]]));
}

function isOpen(port) {
  return new Promise((done) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => { socket.destroy(); done(true); }).once('error', () => done(false));
  });
}
