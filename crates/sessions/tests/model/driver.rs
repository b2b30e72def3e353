//! [`Driver`]: runs a program on the real layer and on the specification.

use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime},
};

use http::{Extensions, HeaderMap, HeaderValue, header::COOKIE};
use proptest::test_runner::TestCaseError;
use serde_json::Value;
use tokio::runtime::{Builder, Runtime};
use tuckbox::{Db, Reply, cmd};
use tuckbox_sessions::{Clock, Config, Cookies, Session, SessionError, SessionLayer};

use crate::{
    program::{Origin, Program, REQUESTS, Step},
    request::{CookieMove, Outcome, Request, Why},
    world::{Cookie, GRACE, IDLE, RENEWAL, World},
};

pub(crate) struct Driver {
    runtime: Runtime,
    db: Db,
}

/// A program under way, in both worlds.
struct Run {
    clock: Clock,
    db: Db,
    layer: SessionLayer,
    world: World,
    requests: [Option<(Session, Request)>; REQUESTS],
    /// What the browser has.
    jar: Option<Cookie>,
    /// All cookies that were set, and what they are.
    known: BTreeMap<Cookie, String>,
    /// The same, in their order.
    issued: Vec<Cookie>,
}

type Checked = Result<(), TestCaseError>;

impl Driver {
    pub(crate) fn new() -> Self {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let db = runtime.block_on(Db::open("memory:")).unwrap();
        Self { runtime, db }
    }

    pub(crate) fn run(&self, program: &Program) -> Checked {
        self.runtime.block_on(async { Run::new(program, &self.db).await.all(program).await })
    }
}

impl Run {
    async fn new(program: &Program, db: &Db) -> Self {
        let clock = Clock::fixed(SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000));
        let ms = |ms| Duration::from_millis(ms);
        let config = Config::builder()
            .cookies(Cookies::plain())
            .clock(clock.clone())
            .idle(ms(IDLE))
            .grace(ms(GRACE))
            .renew_every(program.renews.then(|| ms(RENEWAL)))
            // No trouble is wanted here, however busy the machine is.
            .deadline(Duration::from_secs(60))
            .build()
            .unwrap();
        db.call(cmd!("FLUSHALL")).await.unwrap();
        Self {
            clock,
            layer: SessionLayer::new(db.clone(), config),
            db: db.clone(),
            world: World::new(program.renews),
            requests: [const { None }; REQUESTS],
            jar: None,
            known: BTreeMap::new(),
            issued: Vec::new(),
        }
    }

    async fn all(mut self, program: &Program) -> Checked {
        for (number, step) in program.moves.iter().enumerate() {
            let name = format!("step {number}");
            self.pass(1);
            match &step.step {
                Step::Wait(seconds) => self.pass(1000 * seconds),
                Step::RevokeAll(user) => {
                    let ended = self.layer.sessions().revoke_all(user).await.unwrap();
                    let expected = self.world.revoke(user, None);
                    same(&name, &expected, &ended)?;
                }
                step_of => self.step(&name, step.request, step_of).await?,
            }
        }
        for request in 0..REQUESTS {
            self.pass(1);
            if self.requests[request].is_some() {
                self.finish(&format!("the end of request {request}"), request).await?;
            }
        }
        self.compare_stores().await
    }

    fn pass(&mut self, ms: u64) {
        self.clock.advance(Duration::from_millis(ms));
        self.world.now += ms;
    }

    async fn step(&mut self, name: &str, request: usize, step: &Step) -> Checked {
        if self.requests[request].is_none() {
            let begun = self.begin(step);
            self.requests[request] = Some(begun);
        }
        if *step == Step::Finish {
            return self.finish(name, request).await;
        }
        let Some((session, specified)) = &mut self.requests[request] else { return Ok(()) };
        if specified.is_over() {
            return Ok(());
        }
        let expected = specified.take(&mut self.world, step);
        let got =
            real_step(session, step).await.unwrap_or_else(|error| Outcome::Refused(why(&error)));
        same(name, &expected, &got)
    }

    fn begin(&self, step: &Step) -> (Session, Request) {
        const PLANTED: &str = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
        let cookie = match step {
            Step::Begin(Origin::Nothing) => None,
            Step::Begin(Origin::Planted) => Some(None),
            Step::Begin(Origin::Old(back)) => {
                // Of no cookie at all there is no old one.
                self.issued.iter().rev().cycle().nth(*back).map(|cookie| Some(*cookie))
            }
            _ => self.jar.map(Some),
        };
        let mut headers = HeaderMap::new();
        if let Some(cookie) = cookie {
            let value = cookie.map_or(PLANTED, |cookie| &self.known[&cookie]);
            let value = HeaderValue::from_str(&format!("session={value}")).unwrap();
            headers.insert(COOKIE, value);
        }
        let session = self.layer.begin(&headers, &Extensions::new());
        (session, Request::begin(&self.world, cookie))
    }

    async fn finish(&mut self, name: &str, request: usize) -> Checked {
        let Some((session, specified)) = self.requests[request].take() else { return Ok(()) };
        let expected = specified.finish(&mut self.world);
        let (got, value) = match session.conclude().await {
            Err(error) => (Outcome::Refused(why(&error)), None),
            Ok(None) => (Outcome::Sent(CookieMove::Keep), None),
            Ok(Some(header)) => {
                let text = header.to_str().unwrap();
                let pair = text.split(';').next().unwrap();
                let value = pair.strip_prefix("session=").unwrap().to_owned();
                (self.cookie_move(&value, &expected), Some(value))
            }
        };
        same(name, &expected, &got)?;
        match expected {
            Outcome::Sent(CookieMove::Set(cookie)) => {
                self.jar = Some(cookie);
                if let (None, Some(value)) = (self.known.get(&cookie), value) {
                    self.known.insert(cookie, value);
                    self.issued.push(cookie);
                }
            }
            Outcome::Sent(CookieMove::Remove) => self.jar = None,
            _ => {}
        }
        Ok(())
    }

    /// What a `Set-Cookie` with this value is: one that is known must be that
    /// one, and one that is expected for the first time must be new.
    fn cookie_move(&self, value: &str, expected: &Outcome) -> Outcome {
        if value.is_empty() {
            return Outcome::Sent(CookieMove::Remove);
        }
        let known = self.known.iter().find(|(_, known)| *known == value).map(|(cookie, _)| *cookie);
        let new = match expected {
            Outcome::Sent(CookieMove::Set(cookie)) if !self.known.contains_key(cookie) => *cookie,
            _ => Cookie { session: usize::MAX, secret: usize::MAX },
        };
        Outcome::Sent(CookieMove::Set(known.unwrap_or(new)))
    }

    /// Every cookie that was ever set leads to the same in both worlds, and
    /// nothing else is stored.
    async fn compare_stores(&mut self) -> Checked {
        let stored = self.db.call(cmd!("KEYS", "session:*")).await.unwrap().into_array().unwrap();
        let mut sessions = 0;
        for key in stored {
            let key = key.into_bytes().unwrap().unwrap();
            let has_token = self.db.call(cmd!("HEXISTS", &key, "token")).await.unwrap();
            sessions += usize::from(has_token == Reply::Integer(1));
        }
        same("the number of sessions in the store", &self.world.count(), &sessions)?;
        for cookie in self.issued.clone() {
            self.pass(1);
            let mut headers = HeaderMap::new();
            let value = format!("session={}", self.known[&cookie]);
            headers.insert(COOKIE, HeaderValue::from_str(&value).unwrap());
            let session = self.layer.begin(&headers, &Extensions::new());
            let mut specified = Request::begin(&self.world, Some(Some(cookie)));
            for step in [Step::User, Step::Values] {
                let expected = specified.take(&mut self.world, &step);
                let got = real_step(&session, &step).await;
                let got = got.unwrap_or_else(|error| Outcome::Refused(why(&error)));
                same(&format!("{step:?} of {cookie:?} in the end"), &expected, &got)?;
            }
        }
        Ok(())
    }
}

async fn real_step(session: &Session, step: &Step) -> Result<Outcome, SessionError> {
    Ok(match step {
        Step::Begin(_) => Outcome::Done,
        Step::Get(key) => Outcome::Value(session.get(key).await?),
        Step::Values => Outcome::Values(session.values().await?),
        Step::User => Outcome::User(session.user().await?.map(|user| user.to_string())),
        Step::Insert(key, value) => done(session.insert(key, value).await?),
        Step::Remove(key) => done(session.remove(key).await?),
        Step::Increment(key) => Outcome::Number(session.increment(key, 1).await?),
        Step::Append(key, value) => done(session.append(key, value).await?),
        Step::InsertIfAbsent(key, value) => {
            Outcome::Did(session.insert_if_absent(key, value).await?)
        }
        Step::CompareAndSet(key, old, new) => {
            Outcome::Did(session.compare_and_set(key, old.as_ref(), new).await?)
        }
        Step::Take(key) => Outcome::Value(session.take::<Value>(key).await?),
        Step::Save => done(session.save().await?),
        Step::Login(user) => done(session.login(user).await?),
        Step::Logout => done(session.logout().await?),
        Step::Renew => done(session.renew().await?),
        Step::RevokeOthers => Outcome::Count(session.revoke_others().await?),
        Step::Finish | Step::RevokeAll(_) | Step::Wait(_) => panic!("no step of a handler's"),
    })
}

fn done((): ()) -> Outcome {
    Outcome::Done
}

fn why(error: &SessionError) -> Why {
    match error {
        SessionError::Ended => Why::Ended,
        SessionError::Unfit { .. } => Why::Unfit,
        SessionError::NoUser => Why::NoUser,
        other => panic!("{other:?}"),
    }
}

fn same<T: PartialEq + std::fmt::Debug>(what: &str, expected: &T, got: &T) -> Checked {
    if expected == got {
        return Ok(());
    }
    Err(TestCaseError::fail(format!("{what}: expected {expected:?}, got {got:?}")))
}
