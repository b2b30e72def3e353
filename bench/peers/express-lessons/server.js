// The lessons API as one would write it on Express for production: sessions by
// express-session, kept in Redis by connect-redis. No access log.
//
// PORT (5000), REDIS_URL (redis://127.0.0.1:6379), SESSION_SECRET.
import { promisify } from 'node:util'
import { RedisStore } from 'connect-redis'
import express from 'express'
import session from 'express-session'
import { createClient } from 'redis'

const HOUR_MS = 60 * 60 * 1000
const USER_ID = /^[A-Za-z0-9._@+-]{1,64}$/
const LESSON_SLUG = /^[A-Za-z0-9._~-]{1,64}$/

class HttpError extends Error {
  constructor (status, message, cause) {
    super(message, { cause })
    this.status = status
  }
}

const redis = createClient({ url: process.env.REDIS_URL })
redis.on('error', (error) => console.error(error))
await redis.connect()

const app = express()
app.disable('x-powered-by')

const sessions = session({
  name: 'session',
  secret: process.env.SESSION_SECRET,
  store: new RedisStore({ client: redis, prefix: 'express-session:' }),
  resave: false,
  saveUninitialized: false,
  cookie: { maxAge: HOUR_MS, httpOnly: true, sameSite: 'lax' }
})

app.use((req, res, next) => {
  sessions(req, res, (error) => {
    next(error && new HttpError(500, 'We could not validate the provided session ID', error))
  })
})

app.route('/login')
  .get(logIn)
  .post(express.urlencoded({ extended: false }), logIn)

app.post('/logout', async (req, res) => {
  await promisify(req.session.destroy).call(req.session)
  res.clearCookie('session')
  res.redirect(303, '/')
})

app.get('/lessons/completed', requireUser, async (req, res) => {
  const lessons = await redis.hGetAll(lessonsKey(req)).catch((error) => {
    throw new HttpError(500, 'We could not load your lessons...', error)
  })
  res.json({ Lessons: lessons })
})

app.post('/lessons/:slug/mark-complete', requireUser, async (req, res) => {
  const { slug } = req.params
  if (!LESSON_SLUG.test(slug)) throw new HttpError(400, 'The lessonSlug is not one')
  const now = new Date().toISOString().replace(/\.\d+Z$/, 'Z')
  await redis.hSet(lessonsKey(req), slug, now).catch((error) => {
    throw new HttpError(500, 'We could not save your progression...', error)
  })
  res.json({ LessonSlug: slug, LastCompleted: now })
})

app.use((error, req, res, next) => {
  const status = error.status ?? 500
  if (status >= 500) console.error(error)
  res.status(status).json({ Message: error.message })
})

app.listen(Number(process.env.PORT ?? 5000), '127.0.0.1')

async function logIn (req, res) {
  const userId = (req.body?.userId ?? req.query.userId ?? '').toString().trim()
  if (userId === '') throw new HttpError(400, 'Missing required userId')
  if (!USER_ID.test(userId)) throw new HttpError(400, 'The userId is not one')
  // A new id at login, stored before the answer says so.
  await promisify(req.session.regenerate).call(req.session)
  req.session.user = userId
  await promisify(req.session.save).call(req.session)
  res.redirect(303, '/lessons/completed')
}

function requireUser (req, res, next) {
  if (req.session.user) next()
  else res.status(403).json({})
}

function lessonsKey (req) {
  return `lessons:${req.session.user}`
}
