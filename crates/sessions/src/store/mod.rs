//! The one folder that owns the session layer's keys and commands.
//!
//! A session is a hash at `{prefix}{name}`; see [`PublicId`]. Its fields:
//!
//! | field | value |
//! |---|---|
//! | `token` | SHA-256 of the id's second part, in base64url |
//! | `created` | when it began, or when its user logged in; times are in milliseconds since 1970 |
//! | `seen` | when it was last touched, with the slide's precision |
//! | `user`, `auth` | the user's id and when it logged in; absent while nobody is |
//! | `prev`, `renewed`, `reads` | the token before, when it was renewed, and `1` if it still reads |
//! | `d:{key}` | the JSON of the session's value under `key`, sealed when there is a key ring |
//! | `q:{key}` | a value that could not be decoded, out of the way |
//! | `ended` | alone in the hash: when the session ended |
//!
//! The key expires in the store when the idle time has passed, or the absolute.
//!
//! All steps are small Lua scripts on one key, so each is atomic, works in a
//! cluster and costs one command. The caller's clock is an argument: a script
//! then does the same however often it runs, and a test can set the time. The
//! configuration's numbers stand in front of each script, so that they are not
//! sent each time.

mod crowd;
mod index;
mod operation;
mod record;
mod rewrite;
mod save;

use std::time::Duration;

use bytes::BytesMut;
use tuckbox::{Arg, Command, Db, ErrorReply, Invocation, Reply, Script};

use self::crowd::Untold;
pub(crate) use self::{
    crowd::Entrance,
    index::{Index, Membership},
    operation::{Operated, Operation, integer},
    record::{Found, Record},
    save::{Mode, Outcome, Save, Saved},
};
use crate::{
    Clock, MAX_KEYS, SessionError,
    breaker::Breaker,
    express::{ExpressForm, Sid},
    id::{Id, PublicId},
    values::Values,
};

/// The scripts, with the configuration's numbers in front.
#[derive(Debug)]
struct Scripts {
    read: Script,
    save: Script,
    end: Script,
}

impl Scripts {
    fn new(times: &Times) -> Self {
        let Times { idle, absolute, slide_after, grace, .. } = times;
        let with_numbers = |source: &str| {
            Script::new(format!(
                "local IDLE, ABSOLUTE, SLIDE_AFTER, GRACE, MOST = \
                 {idle}, {absolute}, {slide_after}, {grace}, {MAX_KEYS}\n{source}"
            ))
        };
        Self {
            read: with_numbers(include_str!("read.lua")),
            save: with_numbers(include_str!("save.lua")),
            end: with_numbers(include_str!("end.lua")),
        }
    }
}

/// How long a mark of an ended session stays, in milliseconds: longer than any
/// request takes that was under way when it ended.
const MARK_MS: u64 = 60_000;

/// What `d:` stands before.
const VALUE_PREFIX: &[u8] = b"d:";
const PARKED_PREFIX: &[u8] = b"q:";

/// The times that rule a session, in milliseconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Times {
    pub(crate) idle: u64,
    pub(crate) absolute: u64,
    pub(crate) slide_after: u64,
    /// The most that is added to the time a key has to live.
    pub(crate) jitter: u64,
    /// How long an id that was renewed still reads.
    pub(crate) grace: u64,
    /// How old an id may become; 0 for as old as it likes.
    pub(crate) renew_every: u64,
}

impl Times {
    /// The time that the session called `name` has to live in the store: the idle
    /// time and a part of the jitter that its name chooses, which is random, so
    /// that sessions that began together do not leave together.
    fn time_to_live(&self, name: PublicId) -> u64 {
        self.idle + name.number() % (self.jitter + 1)
    }
}

/// The sessions in a database.
#[derive(Debug)]
pub(crate) struct Store {
    db: Db,
    prefix: String,
    pub(crate) times: Times,
    scripts: Scripts,
    pub(crate) values: Values,
    clock: Clock,
    breaker: Breaker,
    untold: Untold,
    /// Sessions are in the form of Express.
    express: Option<ExpressForm>,
}

impl Store {
    pub(crate) fn new(
        db: &Db,
        prefix: String,
        times: Times,
        values: Values,
        deadline: Duration,
        clock: Clock,
        express: Option<ExpressForm>,
    ) -> Self {
        let db = db.with_deadline(deadline);
        let scripts = Scripts::new(&times);
        let (breaker, untold) = (Breaker::default(), Untold::default());
        Self { db, prefix, times, scripts, values, clock, breaker, untold, express }
    }

    /// The id of a new session.
    pub(crate) fn new_id(&self) -> Result<Id, SessionError> {
        match &self.express {
            Some(_) => Sid::random().map(Id::Express).map_err(SessionError::Random),
            None => Id::random(),
        }
    }

    /// Whether sessions are in the form of Express, which has no users' indexes.
    pub(crate) fn is_express(&self) -> bool {
        self.express.is_some()
    }

    /// Reads the session of `id` for a request that began at `started`, and
    /// notes that it was seen when that is due. Costs 1 command.
    pub(crate) async fn load(&self, id: &Id, started: u64) -> Result<Found, SessionError> {
        if let Some(form) = &self.express {
            return self.load_express(form, id).await;
        }
        let (now, times) = (self.clock.now(), &self.times);
        let (name, token) = (id.name(), id.token());
        let read = self.scripts.read.invoke().key(self.key(name)).arg(token).arg(now);
        let read = read.arg(times.time_to_live(name)).idempotent();
        let fields = self.eval(&read).await?.into_pairs().map_err(tuckbox::Error::from)?;
        Ok(Found::of(fields, &token, times, now, started))
    }

    /// Ends the session of `id`, for its holder; [`has_ended`] reads the reply.
    /// Costs 1 command.
    pub(crate) fn ending(&self, id: &Id) -> Invocation {
        self.end(id.name())
            .arg(id.token())
            .arg("token")
            .arg(self.clock.now())
            .arg(MARK_MS)
            .idempotent()
    }

    /// Ends the session whose id before the present one was `id`; whether it did.
    /// Costs 1 command.
    pub(crate) async fn end_reused(&self, id: &Id) -> Result<bool, SessionError> {
        let end = self.end(id.name()).arg(id.token()).arg("reuse").arg(self.clock.now());
        let reply = self.eval(&end.arg(MARK_MS).idempotent()).await?;
        Ok(has_ended(&reply))
    }

    /// Ends the session called `name` if it is `user`'s. Costs 1 command.
    fn revocation(&self, name: PublicId, user: &str) -> Invocation {
        self.end(name).arg(user).arg("user").arg(self.clock.now()).arg(MARK_MS).idempotent()
    }

    fn end(&self, name: PublicId) -> Invocation {
        self.scripts.end.invoke().key(self.key(name))
    }

    /// Runs a script. The store's errors count for the circuit breaker.
    pub(crate) async fn eval(&self, invocation: &Invocation) -> Result<Reply, SessionError> {
        self.admit()?;
        let mut result = self.db.eval(invocation).await;
        if matches!(&result, Err(tuckbox::Error::Reply(error)) if worth_a_retry(error)) {
            result = self.db.eval(invocation).await;
        }
        self.note(result)
    }

    /// Runs scripts in one round trip; an error of one is the error of all.
    pub(crate) async fn eval_all(&self, all: &[Invocation]) -> Result<Vec<Reply>, SessionError> {
        self.admit()?;
        let mut replies = self.note(self.db.eval_all(all).await)?;
        let refused = |reply: &Reply| matches!(reply, Reply::Error(e) if worth_a_retry(e));
        let (places, again): (Vec<_>, Vec<_>) = all
            .iter()
            .zip(&mut replies)
            .filter(|(_, reply)| refused(reply))
            .map(|(invocation, reply)| (reply, invocation.clone()))
            .unzip();
        let again = self.note(self.db.eval_all(&again).await)?;
        places.into_iter().zip(again).for_each(|(place, reply)| *place = reply);
        let checked = replies.into_iter().map(|reply| reply.into_result().map_err(Into::into));
        self.note(checked.collect::<Result<Vec<_>, tuckbox::Error>>())
    }

    /// Runs one command that may be run twice.
    async fn call(&self, command: Command) -> Result<Reply, SessionError> {
        self.admit()?;
        self.note(self.db.call(command).await)
    }

    /// Runs reads in one round trip; an error of one is the error of all.
    async fn pipeline(&self, commands: Vec<Command>) -> Result<Vec<Reply>, SessionError> {
        if commands.is_empty() {
            return Ok(Vec::new());
        }
        self.admit()?;
        let replies = self.note(self.db.pipeline(commands).await)?;
        let checked = replies.into_iter().map(|reply| reply.into_result().map_err(Into::into));
        self.note(checked.collect::<Result<Vec<_>, tuckbox::Error>>())
    }

    fn admit(&self) -> Result<(), SessionError> {
        if self.breaker.admits(self.clock.now()) { Ok(()) } else { Err(SessionError::StoreDown) }
    }

    fn note<T>(&self, result: Result<T, tuckbox::Error>) -> Result<T, SessionError> {
        match &result {
            Ok(_) => self.breaker.succeeded(),
            // An answer, if a bad one, came without a wait.
            Err(tuckbox::Error::Reply(_)) => {}
            Err(_) => self.breaker.failed(self.clock.now()),
        }
        Ok(result?)
    }

    fn key(&self, name: PublicId) -> Key<'_> {
        Key { prefix: &self.prefix, name }
    }
}

/// Whether the reply to an ending says that a session has ended by it.
pub(crate) fn has_ended(reply: &Reply) -> bool {
    *reply == Reply::Integer(1)
}

/// Whether an error says that nothing was done and that another try may help: a
/// server that has just lost its role, or is starting. A lost connection was
/// tried again already where that is safe.
fn worth_a_retry(error: &ErrorReply) -> bool {
    tuckbox::Error::Reply(error.clone()).is_transient()
}

/// The key of a session.
struct Key<'a> {
    prefix: &'a str,
    name: PublicId,
}

impl Arg for Key<'_> {
    fn write(&self, buf: &mut BytesMut) {
        buf.extend_from_slice(self.prefix.as_bytes());
        self.name.write(buf);
    }
}

/// The field of a session key's value.
struct Field<'a>(&'a [u8], &'a str);

impl<'a> Field<'a> {
    fn value(key: &'a str) -> Self {
        Self(VALUE_PREFIX, key)
    }
}

impl Arg for Field<'_> {
    fn write(&self, buf: &mut BytesMut) {
        buf.extend_from_slice(self.0);
        buf.extend_from_slice(self.1.as_bytes());
    }
}

fn number(text: &[u8]) -> Option<u64> {
    std::str::from_utf8(text).ok()?.parse().ok()
}
