// The status page as an operator uses it: in Chromium, with the keyboard, on a phone, without script.

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { Agent, request } from 'node:https';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';

import { chromium } from 'playwright-core';

import { DOMAIN, PAYMENTS_DN, makeCertificates } from '../interop/support/certificates.mjs';
import { applicationsToml } from '../interop/support/configuration.mjs';
import { edgeBinary, startEdge } from '../interop/support/edge.mjs';
import { temporaryFolder } from '../interop/support/lifetime.mjs';
import { colours, contrast } from './contrast.mjs';

const DAY_MS = 86_400_000;
const HOSTILE = '<img src=x onerror=alert(1)>';
const LIMIT = { timeout: 10_000 };
/** The folder for images, if they are wanted; then there is traffic for so long before. */
const { SCREENSHOTS } = process.env;
const TRAFFIC_MS = 240_000;

const secret = (name, expires) => ({ name, secret_sha256: randomBytes(32).toString('hex'), expires_at: new Date(Date.now() + expires * DAY_MS) });
const applications = (certificates) => [
  { client_id: 'payments', auth_method: 'tls_client_auth', credential: [{ name: '2026', subject_dn: PAYMENTS_DN }] },
  {
    client_id: 'billing',
    auth_method: 'self_signed_tls_client_auth',
    credential: [{ name: '2026', thumbprint: certificates.billing1.hexThumbprint }],
  },
  { client_id: 'ledger', auth_method: 'client_secret_basic', credential: [secret('old', -3), secret('new', 200)] },
  { client_id: 'reports', auth_method: 'client_secret_post', credential: [secret('2026', 12.5)] },
  { client_id: HOSTILE, auth_method: 'client_secret_post', credential: [secret('"><b>', 300)] },
];
const many = Array.from({ length: 120 }, (_, number) => ({
  client_id: `partner-${String(number).padStart(3, '0')}`, auth_method: 'client_secret_basic', credential: [secret('a', 400 + number)],
}));

describe('the status page', { timeout: SCREENSHOTS ? 600_000 : 60_000 }, () => {
  let folder, certificates, upstream, edge, browser, page, origin;
  const messages = [], requests = [];
  const agent = new Agent({ keepAlive: true });

  const watched = async (options) => {
    const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options });
    const opened = await context.newPage();
    opened.on('console', (message) => messages.push(message.text()));
    opened.on('pageerror', (error) => messages.push(String(error)));
    opened.on('dialog', (dialog) => { messages.push(dialog.message()); dialog.dismiss(); });
    opened.on('request', (sent) => requests.push(sent.url()));
    return opened;
  };
  /** A request of an application; the status of its response. */
  const token = async (clientId, { pem, key }) => {
    const sent = request({
      host: '127.0.0.1', port: edge.httpsPort, servername: DOMAIN, path: '/token', method: 'POST', agent,
      cert: pem, key, ca: certificates.serverCa.pem,
      headers: { host: DOMAIN, 'content-type': 'application/x-www-form-urlencoded' },
    });
    sent.end(`grant_type=client_credentials&client_id=${clientId}`);
    const [response] = await once(sent, 'response');
    response.resume();
    await once(response, 'end');
    return response.statusCode;
  };
  const ids = () => page.locator('#applications tbody td:first-child').allTextContents();
  const shows = (expected) => page.waitForFunction(
    (texts) => JSON.stringify([...document.querySelectorAll('#applications tbody td:first-child')].map((cell) => cell.textContent)) === texts,
    JSON.stringify(expected), LIMIT);

  before(async () => {
    folder = temporaryFolder();
    certificates = makeCertificates(folder.path, 400);
    upstream = createServer((_, response) => response.end('{}')).listen(0, '127.0.0.1');
    await once(upstream, 'listening');
    edge = await startEdge({
      binary: edgeBinary(), folder: folder.path, profile: 'rfc9440', certificates, applications: [...applications(certificates), ...many],
      upstream: `http://127.0.0.1:${upstream.address().port}`,
    });
    origin = `http://127.0.0.1:${edge.adminPort}`;
    browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: ['--no-sandbox'] });
    page = await watched();
    await page.goto(`${origin}/`);
  });
  after(async () => {
    await browser?.close();
    agent.destroy();
    await edge?.stop();
    upstream?.close();
    folder?.remove();
  });

  test('charts draw the traffic of the last minutes', async () => {
    for (let round = 0; round < 10; round += 1) {
      assert.equal(await token('payments', certificates.payments1), 200);
      assert.equal(await token('billing', certificates.payments1), 401);
    }
    await page.waitForFunction(() => {
      const text = (id) => document.querySelector(`#chart-${id} .legend`)?.textContent ?? '';
      return /forwarded [1-9.]/.test(text('requests')) && /thumbprint_mismatch/.test(text('refusals')) && /p99 [0-9.]*[1-9]/.test(text('latency'));
    }, undefined, LIMIT);
    const paths = await page.locator('.chart path:not(.axis)').evaluateAll((all) => all.map((path) => path.getAttribute('d')));
    assert.ok(paths.length >= 8 && paths.every((path) => /^M[\d.]+ [\d.]+[HL]/.test(path)), paths.join('\n'));
  });

  test('applications are found by the keyboard alone', async () => {
    await page.keyboard.press('/');
    await page.keyboard.type('PARTNER-00');
    await shows(Array.from({ length: 10 }, (_, number) => `partner-00${number}`));
    assert.match(page.url(), /\?q=PARTNER-00$/);
    assert.equal(await page.evaluate(() => document.activeElement.name), 'q');
    await page.keyboard.press('Escape');
    await page.waitForFunction(() => document.querySelectorAll('#applications tbody tr').length >= 25, undefined, LIMIT);
    assert.equal(page.url(), `${origin}/status`);
  });

  test('applications are filtered by state and method', async () => {
    const state = page.locator('select[name=state]'), method = page.locator('select[name=method]');
    await state.selectOption('expired');
    await shows(['ledger', 'ledger']);
    assert.deepEqual(await page.locator('#applications td.degraded').allTextContents(), ['expired']);
    await state.selectOption('expiring');
    await shows(['reports']);
    await state.selectOption('');
    await method.selectOption('self_signed_tls_client_auth');
    await shows(['billing']);
    await state.selectOption('unused');
    await method.selectOption('tls_client_auth');
    // Used a moment ago.
    await shows([]);
    await state.selectOption('');
    await method.selectOption('');
  });

  test('applications are sorted by a column, also by keyboard', async () => {
    await page.getByRole('link', { name: 'expires' }).click();
    await page.locator('th[aria-sort=ascending] >> text=expires').waitFor(LIMIT);
    assert.deepEqual((await ids()).slice(0, 3), ['ledger', 'ledger', 'reports']);
    await page.getByRole('link', { name: 'expires' }).focus();
    await page.keyboard.press('Enter');
    await page.locator('th[aria-sort=descending] >> text=expires').waitFor(LIMIT);
    assert.equal((await ids())[0], 'partner-119');
    await page.getByRole('link', { name: 'last used' }).click();
    await page.getByRole('link', { name: 'last used' }).click();
    await page.locator('th[aria-sort=descending] >> text=last used').waitFor(LIMIT);
    assert.equal((await ids())[0], 'payments');
    // The order stays on the next page.
    await page.getByRole('link', { name: 'next page' }).click();
    await page.locator('h2', { hasText: 'page 2 of 5' }).waitFor(LIMIT);
    assert.match(page.url(), /page=2&sort=%2Dlast_used$|page=2&sort=-last_used$/);
    await page.goto(`${origin}/status`);
  });

  test('names are text, whatever they contain', async () => {
    await page.getByLabel('client_id or method').fill('<img');
    await shows([HOSTILE]);
    assert.equal(await page.locator('main img, main b').count(), 0);
    await page.getByLabel('client_id or method').fill('');
  });

  test('a reload appears without loading the page again', async () => {
    await page.evaluate(() => { window.stays = true; });
    await edge.register(applications(certificates));
    await shows([HOSTILE, 'billing', 'ledger', 'ledger', 'payments', 'reports']);
    writeFileSync(join(folder.path, 'applications.toml'), 'nonsense = 1\n');
    await page.locator('.state.degraded', { hasText: 'Degraded: the changed configuration is rejected' }).waitFor(LIMIT);
    writeFileSync(join(folder.path, 'applications.toml'), applicationsToml([...applications(certificates), ...many]));
    await page.locator('.state.warning').waitFor(LIMIT);
    assert.equal(await page.evaluate(() => window.stays), true);
  });

  test('images show minutes of traffic', { skip: !SCREENSHOTS && 'SCREENSHOTS is not set' }, async () => {
    for (const end = Date.now() + TRAFFIC_MS; Date.now() < end;) {
      const wave = 6 + 5 * Math.sin(Date.now() / 20_000);
      for (let sent = 0; sent < wave; sent += 1) await token('payments', certificates.payments1);
      if (Math.random() < 0.6) await token('billing', certificates.payments1);
      if (Math.random() < 0.3) await token('somebody', certificates.payments1);
      await pause(250);
    }
  });

  for (const theme of ['dark', 'light']) {
    test(`text is legible in the ${theme} theme, which is kept`, async () => {
      const button = page.getByRole('button', { name: 'Theme' });
      while (!(await button.textContent()).endsWith(theme)) await button.click();
      await page.reload();
      assert.equal(await button.textContent(), `Theme: ${theme}`);
      await page.locator('.legend li').first().waitFor(LIMIT);
      const found = await page.evaluate(colours);
      assert.ok(found.length > 8, JSON.stringify(found));
      for (const { text, colours: [text_colour, ground] } of found) {
        assert.ok(contrast(text_colour, ground) >= 4.5, `${text}: ${text_colour} on ${ground}`);
      }
      await image(page, `status-${theme}.png`);
    });
  }

  test('a phone needs no sideways scrolling', async () => {
    await page.setViewportSize({ width: 420, height: 800 });
    const widths = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
    assert.ok(widths[0] <= widths[1], widths.join());
    await image(page, 'status-phone.png');
  });

  test('without script there are tables, forms and links', async () => {
    const plain = await watched({ javaScriptEnabled: false });
    await plain.goto(`${origin}/status`);
    assert.match(await plain.locator('#traffic').textContent(), /traffic by minute/);
    assert.equal(await plain.locator('.charts').isVisible(), false);
    await plain.getByLabel('state').selectOption('expired');
    await plain.getByRole('button', { name: 'Show' }).click();
    assert.deepEqual(await plain.locator('#applications tbody td:first-child').allTextContents(), ['ledger', 'ledger']);
    await plain.getByRole('link', { name: 'expires' }).click();
    assert.match(plain.url(), /state=expired&sort=expires$/);
    await plain.context().close();
  });

  test('the browser printed nothing and asked nobody else', () => {
    assert.deepEqual(messages, []);
    const others = requests.filter((url) => !url.startsWith(`${origin}/`) && !url.startsWith('data:'));
    assert.deepEqual(others, []);
    assert.ok(requests.length > 10);
  });
});

/** Takes an image. */
async function image(page, name) {
  const path = SCREENSHOTS && join(SCREENSHOTS, name);
  const bytes = await page.screenshot({ path });
  assert.ok(bytes.length < 150_000, `${name} has ${bytes.length} bytes`);
}
