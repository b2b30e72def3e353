// The tutorial, walked by a person, on both kinds of store.

import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';

import { App, openBrowser, openWindow, stores, withoutRedis } from './support.js';

const rfc3339 = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(Z|[+-]\d\d:\d\d)$/;

const bodyOf = (page) => page.evaluate(() => document.body.innerText);
const focused = (page) => page.evaluate(() => document.activeElement.id);
const slugs = (page) => page.locator('#lessons tbody th').allInnerTexts();

for (const [kind, open] of Object.entries(stores)) {
  describe(`on a ${kind} store`, { skip: kind === 'redis' && withoutRedis }, () => {
    let store, app, browser, ada;

    before(async () => {
      store = await open();
      app = await App.start(store.url);
      browser = await openBrowser();
      ada = await openWindow(browser, app);
    });

    after(async () => {
      await browser?.close();
      await app?.kill();
      await store?.close();
    });

    it('a stranger gets 403 and {}', async () => {
      ada.expected.push('403 /lessons/completed');
      const answer = await ada.page.goto('/lessons/completed');
      assert.equal(answer.status(), 403);
      assert.equal(await answer.text(), '{}');
    });

    it('the keyboard alone logs in', async () => {
      const { page } = ada;
      await page.goto('/');
      assert.match(await bodyOf(page), /This demo asks for no password/);
      await page.keyboard.press('Tab');
      assert.equal(await focused(page), 'userId');
      await page.keyboard.type('ada');
      await page.keyboard.press('Enter');
      await page.locator('#user').waitFor();
      assert.equal(await page.locator('#user').innerText(), 'ada');
      assert.equal(await page.locator('#none').innerText(), 'None yet.');
      assert.equal(page.url(), `${app.origin}/`);
      const [cookie] = await ada.context.cookies();
      assert.equal(cookie.name, 'session');
      assert.equal(cookie.httpOnly, true);
      assert.equal(cookie.sameSite, 'Lax');
    });

    it('the keyboard alone marks a lesson, which is then listed', async () => {
      const { page } = ada;
      await page.keyboard.press('Tab');
      assert.equal(await page.evaluate(() => document.activeElement.innerText), 'Log out');
      await page.keyboard.press('Tab');
      assert.equal(await focused(page), 'lessonSlug');
      await page.keyboard.type('borrow-checker');
      await page.keyboard.press('Enter');
      await page.locator('#lessons').waitFor();
      assert.deepEqual(await slugs(page), ['borrow-checker']);
      assert.equal(page.url(), `${app.origin}/#lesson-borrow-checker`);
      assert.match(await page.locator('#lessons time').getAttribute('datetime'), rfc3339);
      await page.reload();
      assert.deepEqual(await slugs(page), ['borrow-checker']);
    });

    it("the tutorial's own line works in the console, here and on the list", async () => {
      const { page } = ada;
      for (const place of ['/', '/lessons/completed']) {
        await page.goto(place);
        const answer = await page.evaluate(async () => {
          const answer = await fetch("/lessons/123/mark-complete",{method:"POST",credentials:"same-origin"});
          return { status: answer.status, body: await answer.json() };
        });
        assert.equal(answer.status, 200);
        assert.equal(answer.body.LessonSlug, '123');
        assert.match(answer.body.LastCompleted, rfc3339);
      }
      const listed = JSON.parse(await bodyOf(await page.reload().then(() => page)));
      assert.deepEqual(Object.keys(listed.Lessons), ['123', 'borrow-checker']);
      await page.goto('/');
      assert.deepEqual(await slugs(page), ['123', 'borrow-checker']);
    });

    it('a bad name is told and can be corrected on the spot', async () => {
      const { page } = ada;
      ada.expected.push('400 /page/mark-complete');
      await page.getByLabel('Lesson').fill('a/b');
      await page.getByRole('button', { name: 'Mark complete' }).click();
      const alert = page.getByRole('alert');
      await alert.waitFor();
      assert.match(await alert.innerText(), /letters \(a-z, A-Z\), digits and . _ - ~ only/);
      assert.equal(await page.title(), 'Error: Lessons');
      assert.equal(await focused(page), 'lessonSlug');
      assert.equal(await page.getByLabel('Lesson').inputValue(), 'a/b');
      assert.deepEqual(await slugs(page), ['123', 'borrow-checker']);
      await page.keyboard.press('Control+A');
      await page.keyboard.type('a-b');
      await page.keyboard.press('Enter');
      await page.waitForURL('/#lesson-a-b');
      assert.equal(await alert.count(), 0);
      assert.deepEqual(await slugs(page), ['123', 'a-b', 'borrow-checker']);
    });

    it('another user sees nothing of it', async () => {
      const grace = await openWindow(browser, app);
      await grace.page.goto('/login?userId=grace');
      assert.equal(grace.page.url(), `${app.origin}/lessons/completed`);
      assert.equal(await bodyOf(grace.page), '{"Lessons":{}}');
      await grace.page.goto('/');
      assert.equal(await grace.page.locator('#user').innerText(), 'grace');
      assert.equal(await grace.page.locator('#none').innerText(), 'None yet.');
      grace.expectNoComplaints();
      await grace.context.close();
    });

    it('a crash of the app is not noticed', async () => {
      const { page } = ada;
      await app.kill();
      await app.startAgain();
      await page.goto('/');
      assert.equal(await page.locator('#user').innerText(), 'ada');
      assert.deepEqual(await slugs(page), ['123', 'a-b', 'borrow-checker']);
    });

    it('who logs out is a stranger again, and Back shows nothing', async () => {
      const { page } = ada;
      await page.getByRole('button', { name: 'Log out' }).click();
      await page.getByLabel('User id').waitFor();
      assert.deepEqual(await ada.context.cookies(), []);
      await page.goBack();
      await page.getByLabel('User id').waitFor();
      assert.doesNotMatch(await bodyOf(page), /logged in as ada|Completed/);
      const answer = await page.goto('/lessons/completed');
      assert.equal(answer.status(), 403);
      assert.equal(await answer.text(), '{}');
    });

    it('nothing complained on the way', () => ada.expectNoComplaints());
  });
}
