//! [`Save`]: one request's changes to one session, as one command.

use std::sync::Arc;

use bytes::Bytes;
use tuckbox::{Invocation, Reply};

use super::{
    Field, Operation, PARKED_PREFIX, Store,
    rewrite::{Rewrite, Step},
};
use crate::{MAX_VALUE_BYTES, SessionError, id::Id};

/// What a save is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// To begin a session.
    New,
    /// To change its values.
    Use,
    /// To give it another id as well.
    Renew,
    /// To log a user in, under another id.
    Login,
}

/// A save that is ready to be sent.
#[derive(Debug)]
pub(crate) enum Save {
    /// One command.
    Script(Invocation),
    /// What is done to a session in the form of Express.
    Express(Rewrite),
}

/// Collects the changes of a [`Save`].
#[derive(Debug)]
pub(crate) enum SaveBuilder {
    /// `idempotent` as long as a second try does and answers the same.
    Script {
        invocation: Invocation,
        idempotent: bool,
    },
    Express(Rewrite),
}

/// What became of a [`Save`].
#[derive(Debug)]
pub(crate) enum Outcome {
    /// It was carried out.
    Saved(Saved),
    /// There is no such session.
    Unknown,
    /// The session ended or got another id a moment ago.
    Gone,
    /// The value of this field is not what it was when it was read.
    Conflict(Box<str>),
    /// The session has as many values as it may have.
    Full,
    /// The value under the operation's key is nothing that it works on.
    Unfit,
    /// The id was renewed long ago; `by_schedule` when not by a login.
    Reused { by_schedule: bool },
}

/// What a save that was carried out answers.
#[derive(Debug)]
pub(crate) struct Saved {
    /// The time of the last touch was written.
    pub(crate) slid: bool,
    /// The operation's result.
    pub(crate) result: Reply,
}

impl Store {
    /// Begins a save in `mode` of the session of `id`, which gets `next` unless
    /// its id stays; for [`Mode::New`] both are the same.
    pub(crate) fn save(
        &self,
        mode: Mode,
        id: &Id,
        next: Option<&Id>,
        user: Option<&Arc<str>>,
        started: u64,
    ) -> SaveBuilder {
        if self.express.is_some() {
            let (id, next, user) = (id.clone(), next.cloned(), user.cloned());
            return SaveBuilder::Express(Rewrite::new(mode, id, next, user));
        }
        let word = match mode {
            Mode::New => "new",
            Mode::Use => "use",
            Mode::Renew => "renew",
            Mode::Login => "login",
        };
        let name = id.name();
        let mut save = self.scripts.save.invoke().key(self.key(name));
        save = save.arg(word).arg(id.token());
        save = match next {
            Some(next) => save.arg(next.token()),
            None => save.arg(""),
        };
        save = save.arg(self.clock.now()).arg(started).arg(self.times.time_to_live(name));
        save = save.arg(user.map_or("", |user| user));
        SaveBuilder::Script { invocation: save, idempotent: true }
    }
}

impl SaveBuilder {
    /// Adds a step: arguments of the script, or what Express' form does with it.
    fn with(
        self,
        repeatable: bool,
        add: impl FnOnce(Invocation) -> Invocation,
        step: impl FnOnce() -> Step,
    ) -> Self {
        match self {
            Self::Script { invocation, idempotent } => {
                Self::Script { invocation: add(invocation), idempotent: idempotent && repeatable }
            }
            Self::Express(rewrite) => Self::Express(rewrite.with(step())),
        }
    }

    /// Adds the operation on `key`; before all changes, and at most one.
    pub(crate) fn operation(self, key: &str, operation: &Operation) -> Self {
        let field = Field::value(key);
        let add = |save: Invocation| match operation {
            Operation::Increment(by) => save.arg("incr").arg(field).arg(by),
            Operation::Push(element) => {
                save.arg("push").arg(field).arg(element).arg(MAX_VALUE_BYTES)
            }
            Operation::Add(value) => save.arg("add").arg(field).arg(value),
            Operation::Swap(expected, value) => {
                let expected: &[u8] = expected.as_deref().unwrap_or_default();
                save.arg("swap").arg(field).arg(expected).arg(value)
            }
            Operation::Take => save.arg("take").arg(field),
        };
        self.with(false, add, || Step::Operation(key.into(), operation.clone()))
    }

    /// Refuses the whole save unless `key` has the value `expected`.
    pub(crate) fn check(self, key: &str, expected: Option<&Bytes>) -> Self {
        let value: &[u8] = expected.map_or(&[], |value| value);
        // A second try would find the value that the first has set.
        self.with(
            false,
            |save| save.arg("check").arg(Field::value(key)).arg(value),
            || Step::Check(key.into(), expected.cloned()),
        )
    }

    /// Sets `key` to `value`, or removes it.
    pub(crate) fn change(self, key: &str, value: Option<&Bytes>) -> Self {
        let add = |save: Invocation| match value {
            Some(value) => save.arg("set").arg(Field::value(key)).arg(value),
            None => save.arg("del").arg(Field::value(key)),
        };
        self.with(true, add, || Step::Change(key.into(), value.cloned()))
    }

    /// Puts the undecodable `value` of `key` aside, if it is still that.
    pub(crate) fn park(self, key: &str, value: &Bytes) -> Self {
        let parked = Field(PARKED_PREFIX, key);
        self.with(
            true,
            |save| save.arg("park").arg(Field::value(key)).arg(value).arg(parked),
            || Step::Park,
        )
    }

    pub(crate) fn build(self) -> Save {
        match self {
            Self::Script { invocation, idempotent: true } => Save::Script(invocation.idempotent()),
            Self::Script { invocation, .. } => Save::Script(invocation),
            Self::Express(rewrite) => Save::Express(rewrite),
        }
    }
}

impl Outcome {
    /// Reads the reply to a [`Save`].
    pub(crate) fn of(reply: Reply) -> Result<Self, SessionError> {
        let unexpected = tuckbox::Error::from;
        let mut parts = reply.into_array().map_err(unexpected)?.into_iter();
        let mut next = || parts.next().unwrap_or(Reply::Null);
        let status = next().into_integer().map_err(unexpected)?;
        Ok(match status {
            1 => {
                let slid = next().into_integer().map_err(unexpected)? == 1;
                Self::Saved(Saved { slid, result: next() })
            }
            -1 => Self::Gone,
            -2 => {
                let field = next().into_bytes().map_err(unexpected)?.unwrap_or_default();
                let key = String::from_utf8_lossy(field.get(2..).unwrap_or_default());
                Self::Conflict(key.into())
            }
            -3 => Self::Full,
            -4 => Self::Unfit,
            -5 => {
                let reads = next().into_bytes().map_err(unexpected)?;
                Self::Reused { by_schedule: reads.as_deref() == Some(b"1") }
            }
            _ => Self::Unknown,
        })
    }
}
