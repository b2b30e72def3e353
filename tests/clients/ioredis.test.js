import assert from 'node:assert/strict';
import test from 'node:test';
import Redis from 'ioredis';
import { serving } from './serve.js';

test('ioredis keeps data, pipelines and transacts', () => serving(async (port) => {
  const redis = new Redis({ port, password: 'hunter2', db: 3, connectionName: 'ioredis' });
  try {
    assert.equal(await redis.set('greeting', 'grüße', 'EX', 100), 'OK');
    assert.equal(await redis.get('greeting'), 'grüße');
    assert.ok((await redis.ttl('greeting')) > 90);
    await redis.hset('user:1', { name: 'Ada', born: 1815 });
    assert.deepEqual(await redis.hgetall('user:1'), { name: 'Ada', born: '1815' });

    const pipeline = redis.pipeline();
    for (let i = 0; i < 500; i++) pipeline.incr('counter');
    const results = await pipeline.exec();
    assert.deepEqual(results.at(-1), [null, 500]);

    const [[, queued], [, got]] = await redis.multi().set('a', 1).get('a').exec();
    assert.deepEqual([queued, got], ['OK', '1']);
    await assert.rejects(redis.incr('greeting'), /not an integer/);

    redis.defineCommand('add', { numberOfKeys: 1, lua: 'return redis.call("INCRBY", KEYS[1], ARGV[1])' });
    assert.equal(await redis.add('counter', 5), 505);

    const binary = Buffer.from([0, 255, 13, 10]);
    await redis.set('binary', binary);
    assert.deepEqual(await redis.getBuffer('binary'), binary);

    const keys = [];
    for await (const some of redis.scanStream({ count: 2 })) keys.push(...some);
    assert.deepEqual(new Set(keys), new Set(['greeting', 'user:1', 'counter', 'a', 'binary']));
    assert.match(await redis.client('LIST'), /name=ioredis .*db=3 /);
  } finally {
    redis.disconnect();
  }
}));

test('ioredis shows who monitors what others do', () => serving(async (port) => {
  const redis = new Redis({ port, password: 'hunter2' });
  try {
    const monitor = await redis.monitor();
    const seen = new Promise((resolve) => monitor.on('monitor', (_, args) => args[0] === 'set' && resolve(args)));
    await redis.set('a', 'b');
    assert.deepEqual(await seen, ['set', 'a', 'b']);
    monitor.disconnect();
  } finally {
    redis.disconnect();
  }
}));
