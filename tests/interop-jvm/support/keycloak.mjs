// Keycloak as the authorization server behind the edge: one realm, imported at the start, in memory.

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

export const keycloak = prepared('keycloak');

/** Starts Keycloak with `clients`, each with Keycloak's own names of properties. */
export async function startKeycloak({ clients }) {
  const [port] = await freePorts(1);
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
      `--http-port=${port}`, `--hostname=${ORIGIN}`, '--proxy-headers=xforwarded', '--proxy-trusted-addresses=127.0.0.1',
    ],
    // It starts in half the time without the second compiler, which pays only in a long run.
    env: { JAVA_OPTS_KC_HEAP: '-Xms64m -Xmx512m', JAVA_OPTS_APPEND: '-XX:TieredStopAtLevel=1' },
    ready: `${url}${REALM_PATH}`,
  });
  return { ...server, url };
}
