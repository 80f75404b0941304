// Keycloak as the authorization server behind the edge: one realm, imported at the start, in memory.

import { execFileSync } from 'node:child_process';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { freePorts } from '../../interop/support/edge.mjs';
import { ISSUER as ORIGIN, REDIRECT_URI } from '../../interop/support/provider.mjs';
import { prepared, startJava } from './java.mjs';

const REALM = 'interop';
export const KEYCLOAK_ISSUER = `${ORIGIN}/realms/${REALM}`;
export const REALM_PATH = `/realms/${REALM}`;
export const PATHS = {
  token: '/protocol/openid-connect/token',
  push: '/protocol/openid-connect/ext/par/request',
  authorize: '/protocol/openid-connect/auth',
};

/** A store of certificates has a password, although it contains no secret. */
const STORE_PASSWORD = 'changeit';

export const keycloak = prepared('keycloak');

/** A store with this CA alone, beside its certificate. */
function makeTrustStore({ certificateFile }) {
  const store = `${certificateFile}.p12`;
  rmSync(store, { force: true });
  execFileSync('keytool', [
    '-importcert', '-noprompt', '-alias', 'edge', '-file', certificateFile, '-keystore', store, '-storetype', 'PKCS12', '-storepass', STORE_PASSWORD,
  ], { stdio: ['ignore', 'ignore', 'pipe'], timeout: 60_000 });
  return store;
}

/**
 * Starts Keycloak with `clients`, each with Keycloak's own names of properties. It speaks http at `url`, and https at `mutualUrl` with
 * anyone who has a certificate of `edgeCa`.
 */
export async function startKeycloak({ clients, certificates: { upstream, edgeCa } }) {
  const [port, mutualPort] = await freePorts(2);
  const trustStore = makeTrustStore(edgeCa);
  const imports = join(keycloak.path, 'data/import');
  rmSync(imports, { recursive: true, force: true });
  mkdirSync(imports, { recursive: true });
  writeFileSync(join(imports, `${REALM}-realm.json`), JSON.stringify({
    realm: REALM,
    enabled: true,
    sslRequired: 'none',
    clients: clients.map((client) => ({
      enabled: true,
      protocol: 'openid-connect',
      publicClient: false,
      serviceAccountsEnabled: true,
      standardFlowEnabled: true,
      redirectUris: [REDIRECT_URI],
      ...client,
    })),
  }));
  const url = `http://127.0.0.1:${port}`;
  const server = await startJava({
    name: 'Keycloak',
    command: 'bash',
    args: [
      join(keycloak.path, 'bin/kc.sh'), 'start', '--optimized', '--import-realm', '--http-enabled=true', '--http-host=127.0.0.1',
      `--http-port=${port}`, `--https-port=${mutualPort}`,
      `--https-certificate-file=${upstream.certificateFile}`, `--https-certificate-key-file=${upstream.keyFile}`,
      `--https-trust-store-file=${trustStore}`, `--https-trust-store-password=${STORE_PASSWORD}`,
      `--hostname=${ORIGIN}`, '--proxy-headers=xforwarded', '--proxy-trusted-addresses=127.0.0.1',
    ],
    // It starts in half the time without the second compiler, which pays only in a long run.
    env: { JAVA_OPTS_KC_HEAP: '-Xms64m -Xmx512m', JAVA_OPTS_APPEND: '-XX:TieredStopAtLevel=1' },
    ready: `${url}${REALM_PATH}`,
  });
  return { ...server, url, mutualUrl: `https://localhost:${mutualPort}` };
}
