//! [`World`]: what the specification says of stored sessions.

use std::collections::BTreeMap;

use serde_json::Value;

pub(crate) const IDLE: u64 = 3_600_000;
const SLIDE: u64 = IDLE / 10;
pub(crate) const GRACE: u64 = 10_000;
pub(crate) const RENEWAL: u64 = 600_000;

pub(crate) type Key = &'static str;
pub(crate) type User = &'static str;
pub(crate) type Values = BTreeMap<Key, Value>;

/// A cookie: which session it leads to, and which of its secrets it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Cookie {
    pub(crate) session: usize,
    pub(crate) secret: usize,
}

/// All that is stored.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) now: u64,
    pub(crate) renews: bool,
    pub(crate) sessions: Vec<Stored>,
}

/// A session.
#[derive(Debug)]
pub(crate) struct Stored {
    pub(crate) user: Option<User>,
    pub(crate) values: Values,
    seen: u64,
    /// The number of its present secret; the one before has this less 1.
    secret: usize,
    pub(crate) renewed: u64,
    /// Whether the secret before still reads in the grace: not after a login.
    before_reads: bool,
    ended: Option<u64>,
}

/// What a cookie is worth.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Worth {
    Live,
    /// It was renewed a moment ago and still reads.
    Grace,
    /// The session ended while the request was under way, or was renewed a
    /// moment ago.
    Gone,
    /// It was renewed long ago.
    Reused,
    Nothing,
}

impl World {
    pub(crate) fn new(renews: bool) -> Self {
        Self { now: 1_000_000, renews, sessions: Vec::new() }
    }

    fn lives(&self, stored: &Stored) -> bool {
        stored.ended.is_none() && self.now - stored.seen < IDLE
    }

    /// What the cookie is worth to a request that began at `started`.
    pub(crate) fn worth(&self, cookie: Option<Cookie>, started: u64) -> Worth {
        let Some(cookie) = cookie else { return Worth::Nothing };
        let stored = &self.sessions[cookie.session];
        if let Some(ended) = stored.ended {
            return if ended >= started { Worth::Gone } else { Worth::Nothing };
        }
        if !self.lives(stored) {
            return Worth::Nothing;
        }
        match stored.secret - cookie.secret {
            0 => Worth::Live,
            1 if self.now - stored.renewed < GRACE && stored.before_reads => Worth::Grace,
            1 if self.now - stored.renewed < GRACE => Worth::Gone,
            _ if stored.renewed >= started => Worth::Gone,
            1 => Worth::Reused,
            _ => Worth::Nothing,
        }
    }

    /// How many sessions there are, those among them that nobody can use any
    /// more because their time is over.
    pub(crate) fn count(&self) -> usize {
        self.sessions.iter().filter(|stored| stored.ended.is_none()).count()
    }

    /// Notes that the session was seen, when that is due.
    pub(crate) fn touch(&mut self, session: usize) -> bool {
        let now = self.now;
        let due = now - self.sessions[session].seen >= SLIDE;
        if due {
            self.sessions[session].seen = now;
        }
        due
    }

    pub(crate) fn create(&mut self, user: Option<User>, values: Values) -> Cookie {
        let now = self.now;
        self.sessions.push(Stored {
            user,
            values,
            seen: now,
            secret: 0,
            renewed: now,
            before_reads: false,
            ended: None,
        });
        Cookie { session: self.sessions.len() - 1, secret: 0 }
    }

    /// Gives the session another secret.
    pub(crate) fn renew(&mut self, session: usize, before_reads: bool) -> Cookie {
        let now = self.now;
        let stored = &mut self.sessions[session];
        stored.secret += 1;
        (stored.seen, stored.renewed, stored.before_reads) = (now, now, before_reads);
        Cookie { session, secret: stored.secret }
    }

    /// A logout with this cookie.
    pub(crate) fn leave(&mut self, cookie: Option<Cookie>) {
        let Some(cookie) = cookie else { return };
        let now = self.now;
        let stored = &mut self.sessions[cookie.session];
        let graced = stored.before_reads && now - stored.renewed < GRACE;
        let mine = match stored.secret - cookie.secret {
            0 => true,
            1 => graced,
            _ => false,
        };
        if mine && stored.ended.is_none() {
            stored.ended = Some(now);
        }
    }

    /// Somebody has a copy of an old cookie. Where it may have been stolen from
    /// the session that goes on, that ends.
    pub(crate) fn reused(&mut self, cookie: Cookie) {
        let now = self.now;
        let stored = &mut self.sessions[cookie.session];
        if stored.before_reads {
            stored.ended = Some(now);
        }
    }

    /// Ends the sessions of a user but one.
    pub(crate) fn revoke(&mut self, user: &str, but: Option<usize>) -> usize {
        let mut count = 0;
        for number in 0..self.sessions.len() {
            let is_it = self.sessions[number].user == Some(user) && Some(number) != but;
            if is_it && self.lives(&self.sessions[number]) {
                self.sessions[number].ended = Some(self.now);
                count += 1;
            }
        }
        count
    }
}
