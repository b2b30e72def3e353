// `tuckbox serve` as a process of one test.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const program = process.env.TUCKBOX ?? fileURLToPath(new URL('../../target/release/tuckbox', import.meta.url));

/** Serves a new directory with a password, for as long as `use` takes. */
export async function serving(use) {
  const dir = await mkdtemp(join(tmpdir(), 'tuckbox-clients-'));
  const env = { ...process.env, TUCKBOX_PASSWORD: 'hunter2' };
  const args = ['serve', '--dir', dir, '--listen', '127.0.0.1:0'];
  const child = spawn(program, args, { env, stdio: ['ignore', 'pipe', 'ignore'] });
  const ended = once(child, 'exit');
  try {
    for await (const line of createInterface(child.stdout)) {
      const port = /^listening on 127\.0\.0\.1:(\d+)$/.exec(line)?.[1];
      if (port) return await use(Number(port));
    }
    throw new Error(`${program} does not start`);
  } finally {
    child.kill('SIGTERM');
    await ended;
    await rm(dir, { recursive: true });
  }
}
