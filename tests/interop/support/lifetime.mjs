// What must not outlive the test process, whichever way it ends: child processes and temporary folders.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const endings = new Set();

process.once('exit', () => {
  for (const end of endings) end();
});
// A signal ends the process without 'exit', unless somebody asks for it. The test runner sends
// SIGTERM to a file that takes too long.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
  process.once(signal, () => process.exit(1));
}

/** Calls `end` (synchronous) when the process exits, or earlier through the returned function; once. */
export function atExit(end) {
  const once = () => {
    if (endings.delete(once)) end();
  };
  endings.add(once);
  return once;
}

/** A temporary folder and the function that removes it. */
export function temporaryFolder() {
  const path = mkdtempSync(join(tmpdir(), 'mtls-edge-interop-'));
  return { path, remove: atExit(() => rmSync(path, { recursive: true, force: true })) };
}
