// The view counter of express-session's documentation, set up for production: sessions kept in
// Redis by connect-redis. No access log.
//
// PORT (3000), REDIS_URL (redis://127.0.0.1:6379), SESSION_SECRET.
import { RedisStore } from 'connect-redis'
import express from 'express'
import session from 'express-session'
import { createClient } from 'redis'

const HOUR_MS = 60 * 60 * 1000

const redis = createClient({ url: process.env.REDIS_URL })
redis.on('error', (error) => console.error(error))
await redis.connect()

const app = express()
app.disable('x-powered-by')

// Plain HTTP and no proxy, so that the bench need not speak TLS.
app.use(session({
  name: 'session',
  secret: process.env.SESSION_SECRET,
  store: new RedisStore({ client: redis, prefix: 'express-session:' }),
  resave: false,
  saveUninitialized: false,
  cookie: { maxAge: HOUR_MS, httpOnly: true, sameSite: 'lax' }
}))

app.get(['/foo', '/bar'], (req, res) => {
  req.session.views ??= {}
  const views = (req.session.views[req.path] ?? 0) + 1
  req.session.views[req.path] = views
  res.type('text').send(`you viewed this page ${views} times`)
})

app.get('/read', (req, res) => res.json(req.session.views ?? {}))

app.get('/noop', (req, res) => res.type('text').send('ok'))

app.listen(Number(process.env.PORT ?? 3000), '127.0.0.1')
