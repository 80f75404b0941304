// A server that is a Java program: started on a free port, waited for, and ended with all its processes.

import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';

import { atExit } from '../../interop/support/lifetime.mjs';

const START_LIMIT_MS = 180_000;

/** What prepare.sh has put together, outside of the repository's files. */
const PREPARED = resolve(process.env.INTEROP_JVM_DIR ?? join(import.meta.dirname, '../../../target/interop-jvm'));

/** `path` among the prepared files, and the reason to skip a suite where it's missing. */
export function prepared(path) {
  const full = join(PREPARED, path);
  return { path: full, skip: !existsSync(full) && `NOT TRIED: no ${full} (run tests/interop-jvm/prepare.sh)` };
}

/** Starts a program and waits until it answers GET `ready` with 200. */
export async function startJava({ name, command, args, ready, cwd, env }) {
  // A group of its own, since a start script may have children.
  const child = spawn(command, args, { cwd, env: { ...process.env, ...env }, detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
  let ended = false;
  const stop = atExit(() => {
    try {
      process.kill(-child.pid, 'SIGKILL');
    } catch (error) {
      if (error.code !== 'ESRCH') throw error;
    }
  });
  let log = '';
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text) => { log += text; });
  child.once('error', (error) => { ended = true; log += error.message; });
  child.once('exit', () => { ended = true; });
  const deadline = Date.now() + START_LIMIT_MS;
  while (!(await answers(ready))) {
    if (ended || Date.now() > deadline) {
      stop();
      throw new Error(`${name} did not start; it printed:\n${log}`);
    }
    await pause(100);
  }
  return { log: () => log, stop };
}

async function answers(url) {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(5000) });
    await response.arrayBuffer();
    return response.status === 200;
  } catch {
    return false;
  }
}
