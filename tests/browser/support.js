// The app, a store and a browser, as processes of one test.

import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';

const program =
  process.env.TUCKBOX_LESSONS ??
  fileURLToPath(new URL('../../target/release/lessons', import.meta.url));

// What a first paint waits for on a busy machine, and no test reaches when all is well.
const patience = 30_000;

/** Why Redis is not tested here, or false. */
export const withoutRedis =
  spawnSync('redis-server', ['--version']).error &&
  process.env.TUCKBOX_REQUIRE_REDIS !== '1' &&
  'redis-server is not installed';

async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  await once(server, 'close');
  return port;
}

/** Starts a process and waits for a line of its output that matches `ready`. */
async function start(command, args, env, ready) {
  const child = spawn(command, args, { env, stdio: ['ignore', 'pipe', 'inherit'] });
  const failed = new Promise((_, reject) => {
    child.once('error', reject);
    child.once('exit', (code) => reject(new Error(`${command} ended with ${code}`)));
  });
  const isReady = new Promise((resolve) => {
    createInterface(child.stdout).on('line', (line) => ready.test(line) && resolve());
  });
  failed.catch(() => {});
  await Promise.race([isReady, failed]);
  return child;
}

async function end(child, signal) {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exit = once(child, 'exit');
  child.kill(signal);
  await exit;
}

/** The two kinds of store: each gives a URL, and a function that ends it. */
export const stores = {
  async file() {
    const dir = await mkdtemp(join(tmpdir(), 'tuckbox-'));
    return { url: `file:${dir}/data`, close: () => rm(dir, { recursive: true }) };
  },
  async redis() {
    const port = await freePort();
    const args = ['--bind', '127.0.0.1', '--port', port, '--save', '', '--appendonly', 'no'];
    const child = await start('redis-server', args.map(String), process.env, /Ready to accept/);
    return { url: `redis://127.0.0.1:${port}`, close: () => end(child, 'SIGKILL') };
  },
};

/** The app on a port that it keeps when it is started again. */
export class App {
  static async start(storeUrl) {
    const app = new App();
    app.port = await freePort();
    app.origin = `http://localhost:${app.port}`;
    app.env = { PORT: String(app.port), REDIS_URL: storeUrl };
    await app.startAgain();
    return app;
  }

  async startAgain() {
    this.child = await start(program, [], this.env, /listening on/);
  }

  /** Ends it as a crash does. */
  kill() {
    return end(this.child, 'SIGKILL');
  }
}

/** Starts Chromium with an empty profile. */
export function openBrowser() {
  return chromium.launch({
    executablePath: '/usr/bin/chromium',
    timeout: patience,
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  });
}

/**
 * A person's window, with cookies of its own. `complaints` collects what a
 * page of good manners never has: errors on the console, exceptions, requests
 * to other hosts, and answers with a status that the test did not announce in
 * `expected`.
 */
export async function openWindow(browser, app) {
  const context = await browser.newContext({ baseURL: app.origin });
  context.setDefaultTimeout(patience);
  const page = await context.newPage();
  const complaints = [];
  const expected = [];
  page.on('pageerror', (error) => complaints.push(String(error)));
  page.on('console', (message) => {
    // The browser says this of every status from 400 on; see below.
    if (/^Failed to load resource: the server responded/.test(message.text())) return;
    if (message.type() === 'error' || message.type() === 'warning') complaints.push(message.text());
  });
  context.on('request', (request) => {
    if (!request.url().startsWith(`${app.origin}/`)) complaints.push(request.url());
  });
  context.on('response', (response) => {
    const answer = `${response.status()} ${new URL(response.url()).pathname}`;
    if (response.status() >= 400 && !expected.includes(answer)) complaints.push(answer);
  });
  const expectNoComplaints = () => assert.deepEqual(complaints, []);
  return { context, page, expected, expectNoComplaints };
}
