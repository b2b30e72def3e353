import assert from 'node:assert/strict';
import test from 'node:test';
import { createClient } from 'redis';
import { serving } from './serve.js';

for (const RESP of [2, 3]) {
  test(`node-redis keeps data in RESP${RESP}`, () => serving(async (port) => {
    const options = { url: `redis://default:hunter2@127.0.0.1:${port}/5`, RESP, name: 'node' };
    const client = await createClient(options).connect();
    try {
      assert.equal(await client.set('greeting', 'grüße', { EX: 100 }), 'OK');
      assert.equal(await client.get('greeting'), 'grüße');
      await client.hSet('user:1', { name: 'Ada', born: 1815 });
      assert.deepEqual({ ...(await client.hGetAll('user:1')) }, { name: 'Ada', born: '1815' });

      // These leave together, as one pipeline.
      const counts = await Promise.all(Array.from({ length: 500 }, () => client.incr('counter')));
      assert.deepEqual(counts, Array.from({ length: 500 }, (_, i) => i + 1));

      assert.deepEqual(await client.multi().set('a', '1').incr('a').exec(), ['OK', 2]);
      await assert.rejects(client.incr('greeting'), /not an integer/);
      assert.equal(await client.eval('return ARGV[1]', { arguments: ['x'] }), 'x');

      const keys = [];
      for await (const some of client.scanIterator({ COUNT: 2 })) keys.push(...[some].flat());
      assert.deepEqual(new Set(keys), new Set(['greeting', 'user:1', 'counter', 'a']));

      const info = await client.clientInfo();
      assert.equal(info.name, 'node');
      assert.equal(info.db, 5);
      assert.match(await client.info('server'), /redis_mode:standalone/);
      assert.deepEqual({ ...(await client.configGet('databases')) }, { databases: '16' });
    } finally {
      client.destroy();
    }
  }));
}
