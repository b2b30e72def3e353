// An Express service with sessions as its users set them up: express-session,
// kept in Redis by connect-redis. The tests run it beside one of ours, with the
// same cookies and the same Redis.
//
// PORT (0: any that is free), REDIS_URL, SESSION_SECRET (several with commas:
// the first one signs), MAX_AGE_MS (none: the cookie ends with the browser).
// Says "listening on <port>" when it is ready.
import { promisify } from 'node:util'
import { setTimeout as sleep } from 'node:timers/promises'
import { RedisStore } from 'connect-redis'
import express from 'express'
import session from 'express-session'
import { createClient } from 'redis'

const redis = createClient({ url: process.env.REDIS_URL ?? 'redis://127.0.0.1:6379' })
redis.on('error', (error) => console.error(error))
await redis.connect()

const app = express()
app.disable('x-powered-by')

// Requests that have read their session and wait, by the name they gave.
const held = new Map()

app.get('/held', (req, res) => res.json(held.has(req.query.hold)))

app.get('/release', (req, res) => {
  held.get(req.query.hold)()
  held.delete(req.query.hold)
  res.json({})
})

app.use(session({
  secret: (process.env.SESSION_SECRET ?? 'keyboard cat').split(','),
  store: new RedisStore({ client: redis }),
  resave: false,
  saveUninitialized: false,
  cookie: process.env.MAX_AGE_MS ? { maxAge: Number(process.env.MAX_AGE_MS) } : {}
}))

// All routes are GET, so that any client can walk them.

app.get('/write', async (req, res) => {
  req.session.n = (req.session.n ?? 0) + 1
  await save(req)
  res.json({ n: req.session.n })
})

// The value is JSON, or else a text. With ms, the request is that long under
// way between reading the session and saving it; with hold, until /release.
app.get('/set', async (req, res) => {
  const { key, value, ms, hold } = req.query
  if (typeof key !== 'string' || typeof value !== 'string') {
    res.status(400).json({ error: 'key and value are needed, once each' })
    return
  }
  if (ms) await sleep(Number(ms))
  if (hold) await new Promise((resolve) => held.set(hold, resolve))
  req.session[key] = jsonOrText(value)
  await save(req)
  res.json(values(req))
})

app.get('/read', (req, res) => res.json(values(req)))

app.get('/login', async (req, res) => {
  await promisify(req.session.regenerate).call(req.session)
  req.session.user = req.query.user
  await save(req)
  res.json(values(req))
})

app.get('/logout', async (req, res) => {
  await promisify(req.session.destroy).call(req.session)
  res.clearCookie('connect.sid').json({})
})

const server = app.listen(Number(process.env.PORT ?? 0), '127.0.0.1', (error) => {
  if (error) throw error
  console.log(`listening on ${server.address().port}`)
})

function save (req) {
  return promisify(req.session.save).call(req.session)
}

function values (req) {
  const { cookie, ...values } = req.session
  return values
}

function jsonOrText (text) {
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}
