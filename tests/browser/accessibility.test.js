// Every state of the page, for people who see it otherwise or on a small screen.

import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';

import axe from 'axe-core';

import { App, openBrowser, openWindow, stores } from './support.js';

/** Each brings the page into a state, after the one before it. */
const states = {
  'logged out': (page) => page.goto('/'),
  'a login refused': async (page) => {
    await page.getByLabel('User id').fill('not a user');
    await page.getByRole('button', { name: 'Log in' }).click();
    await page.getByRole('alert').waitFor();
  },
  'no lessons': async (page) => {
    await page.getByLabel('User id').fill('a'.repeat(64));
    await page.getByRole('button', { name: 'Log in' }).click();
    await page.locator('#none').waitFor();
  },
  lessons: async (page) => {
    for (const slug of ['123', 'w'.repeat(64)]) {
      await page.getByLabel('Lesson').fill(slug);
      await page.getByRole('button', { name: 'Mark complete' }).click();
      await page.locator(`#lesson-${slug}`).waitFor();
    }
  },
  'a lesson refused': async (page) => {
    await page.getByLabel('Lesson').fill('<b>');
    await page.getByRole('button', { name: 'Mark complete' }).click();
    await page.getByRole('alert').waitFor();
  },
};

async function violations(page) {
  await page.evaluate(axe.source);
  const { violations } = await page.evaluate(() => window.axe.run());
  return violations.map(({ id, help, nodes }) => `${id}: ${help}: ${nodes.map((n) => n.html)}`);
}

describe('the page', () => {
  let store, app, browser, window;

  before(async () => {
    store = await stores.file();
    app = await App.start(store.url);
    browser = await openBrowser();
    window = await openWindow(browser, app);
    window.expected.push('400 /page/login', '400 /page/mark-complete');
  });

  after(async () => {
    await browser?.close();
    await app?.kill();
    await store?.close();
  });

  for (const [state, reach] of Object.entries(states)) {
    it(`with ${state} can be used by everybody`, async () => {
      const { page } = window;
      await reach(page);
      for (const colorScheme of ['light', 'dark']) {
        await page.emulateMedia({ colorScheme });
        assert.deepEqual(await violations(page), [], colorScheme);
      }
      for (const width of [320, 360, 1200]) {
        await page.setViewportSize({ width, height: 800 });
        const needed = await page.evaluate(() => document.documentElement.scrollWidth);
        assert.ok(needed <= width, `${needed} px are needed on a screen of ${width} px`);
      }
    });
  }

  it('asks nothing of others and has no errors', () => window.expectNoComplaints());
});
