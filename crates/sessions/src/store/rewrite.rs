//! [`Rewrite`]: how sessions in the form of Express are read and saved.
//!
//! There a session is one text, which others rewrite as a whole. Ours is
//! written only in place of the very text that it was made from, and made again
//! when that has changed; so what Express and we change under different keys
//! both stays, as far as it depends on us.

use std::sync::{Arc, LazyLock};

use bytes::Bytes;
use tuckbox::{Invocation, Reply, Script};

use super::{Found, Mode, Operation, Outcome, Record, Saved, Store};
use crate::{
    MAX_KEYS, SessionError,
    express::{Blob, ExpressForm, end_mark},
    id::Id,
};

static READ: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("../express/read.lua")));
static CREATE: LazyLock<Script> =
    LazyLock::new(|| Script::new(include_str!("../express/create.lua")));
static SWAP: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("../express/swap.lua")));
static END: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("../express/end.lua")));

/// How often a text is made again because another request changed it.
const TRIES: usize = 64;

/// The least time in seconds that a mark of an ended session stays, and for how
/// long a request that meets it counts as one that was under way.
const MARK_SECONDS: u64 = 60;

/// A save of a session in the form of Express.
#[derive(Debug)]
pub(crate) struct Rewrite {
    mode: Mode,
    id: Id,
    next: Option<Id>,
    user: Option<Arc<str>>,
    steps: Vec<Step>,
}

/// One step of a [`Rewrite`], on the value under a session key.
#[derive(Debug)]
pub(super) enum Step {
    Operation(Box<str>, Operation),
    Check(Box<str>, Option<Bytes>),
    Change(Box<str>, Option<Bytes>),
    /// A value that we cannot decode may be one that Express can: it stays.
    Park,
}

impl Rewrite {
    pub(super) fn new(mode: Mode, id: Id, next: Option<Id>, user: Option<Arc<str>>) -> Self {
        Self { mode, id, next, user, steps: Vec::new() }
    }

    pub(super) fn with(mut self, step: Step) -> Self {
        self.steps.push(step);
        self
    }

    /// Carries the steps out on `blob`: the operation's result, or why nothing
    /// may be written.
    fn apply(
        &self,
        form: &ExpressForm,
        blob: &mut Blob,
    ) -> Result<Result<Reply, Outcome>, SessionError> {
        // Express may have set more than we would: that can be changed still.
        let most = blob.values().count().max(MAX_KEYS);
        let put = |blob: &mut Blob, key: &str, value: Option<&Bytes>| {
            form.check(key)?;
            put(blob, key, value)
        };
        let mut result = Reply::Null;
        for step in &self.steps {
            match step {
                Step::Park => {}
                Step::Check(key, expected) => {
                    if blob.get(key) != expected.as_ref() {
                        return Ok(Err(Outcome::Conflict(key.clone())));
                    }
                }
                Step::Change(key, value) => put(blob, key, value.as_ref())?,
                Step::Operation(key, operation) => {
                    let Some(operated) = operation.apply(blob.get(key).cloned()) else {
                        return Ok(Err(Outcome::Unfit));
                    };
                    let swaps = matches!(operation, Operation::Add(_) | Operation::Swap(..));
                    result = match &operated.value {
                        _ if swaps && operated.done => Reply::Integer(1),
                        Some(value) => Reply::Bulk(value.clone()),
                        None => Reply::Null,
                    };
                    match operation {
                        Operation::Take => put(blob, key, None)?,
                        _ if operated.done => put(blob, key, operated.value.as_ref())?,
                        _ => {}
                    }
                }
            }
        }
        if blob.values().count() > most {
            return Ok(Err(Outcome::Full));
        }
        Ok(Ok(result))
    }
}

fn put(blob: &mut Blob, key: &str, value: Option<&Bytes>) -> Result<(), SessionError> {
    match value {
        Some(value) => blob.set(key, value).map_err(SessionError::Express),
        None => {
            blob.remove(key);
            Ok(())
        }
    }
}

impl Store {
    /// Reads a session. Costs 1 command.
    pub(super) async fn load_express(
        &self,
        form: &ExpressForm,
        id: &Id,
    ) -> Result<Found, SessionError> {
        let read = self.express_keys(&READ, id).arg(form.ttl_seconds);
        let read = read.arg(self.slide_percent()).arg(self.recently()).idempotent();
        let reply = self.eval(&read).await?;
        match reply {
            Reply::Null => return Ok(Found::Nothing),
            Reply::Integer(_) => return Ok(Found::Gone),
            _ => {}
        }
        let mut parts = reply.into_array().map_err(tuckbox::Error::from)?.into_iter();
        let text =
            parts.next().unwrap_or(Reply::Null).into_bytes().map_err(tuckbox::Error::from)?;
        let slid = parts.nth(1) == Some(Reply::Integer(1));
        let text = text.unwrap_or_default();
        let blob = match Blob::parse(text.clone()) {
            Ok(blob) => blob,
            Err(error) => {
                tracing::warn!(%error, session = %id.name(), "a session is not in Express' form");
                return Ok(Found::Nothing);
            }
        };
        let bytes = |key: &str| Bytes::copy_from_slice(key.as_bytes());
        let values = blob.values().map(|(key, value)| (bytes(key), value.clone())).collect();
        Ok(Found::Live(Record::express(form.user_of(&blob), slid, values, text)))
    }

    /// Ends a session. Costs 1 command.
    pub(crate) async fn end_express(&self, id: &Id) -> Result<Option<Bytes>, SessionError> {
        let end = self.express_keys(&END, id).arg(MARK_SECONDS).arg(self.clock.now()).idempotent();
        Ok(self.eval(&end).await?.into_bytes().map_err(tuckbox::Error::from)?)
    }

    /// Saves. Costs 1 command when `text` is what the store has, 1 more
    /// each time that it is not; a login or a renewal costs 2.
    pub(crate) async fn save_express(
        &self,
        rewrite: Rewrite,
        text: Option<Bytes>,
    ) -> Result<Outcome, SessionError> {
        let Some(form) = &self.express else { return Ok(Outcome::Unknown) };
        match rewrite.mode {
            Mode::Use => self.swap(form, &rewrite, text.unwrap_or_default()).await,
            Mode::New => self.create(form, &rewrite, None).await,
            Mode::Renew | Mode::Login => {
                // What cannot be saved must not end the session that there is.
                let known = text.and_then(|text| Blob::parse(text).ok());
                if let Err(outcome) = self.begun(form, &rewrite, known)? {
                    return Ok(outcome);
                }
                match self.end_express(&rewrite.id).await? {
                    Some(text) => self.create(form, &rewrite, Blob::parse(text).ok()).await,
                    None => Ok(Outcome::Unknown),
                }
            }
        }
    }

    async fn create(
        &self,
        form: &ExpressForm,
        rewrite: &Rewrite,
        before: Option<Blob>,
    ) -> Result<Outcome, SessionError> {
        let (text, seconds, result) = match self.begun(form, rewrite, before)? {
            Ok(begun) => begun,
            Err(outcome) => return Ok(outcome),
        };
        let id = rewrite.next.as_ref().unwrap_or(&rewrite.id);
        let create = self.express_keys(&CREATE, id).arg(text).arg(seconds).idempotent();
        match self.eval(&create).await? {
            Reply::Integer(1) => Ok(Outcome::Saved(Saved { slid: true, result })),
            _ => Ok(Outcome::Unknown),
        }
    }

    /// The text of a new session that follows on `before`, the seconds to keep
    /// it, and the operation's result; or why there can be none.
    fn begun(
        &self,
        form: &ExpressForm,
        rewrite: &Rewrite,
        before: Option<Blob>,
    ) -> Result<Result<(Bytes, u64, Reply), Outcome>, SessionError> {
        let now = self.clock.now();
        let mut blob = Blob::new(&form.cookie, now);
        if let Some(before) = before {
            let user = form.user_of(&before);
            if rewrite.mode == Mode::Renew || user.is_none() || user == rewrite.user {
                for (key, value) in before.values() {
                    // Express would not read those that are refused here.
                    let _ = blob.set(key, value);
                }
            }
        }
        let result = match rewrite.apply(form, &mut blob)? {
            Ok(result) => result,
            Err(outcome) => return Ok(Err(outcome)),
        };
        if let Some(user) = &rewrite.user {
            form.set_user(&mut blob, user)?;
        }
        let text = blob.to_text().map_err(SessionError::Express)?;
        Ok(Ok((text, blob.ttl_seconds(now, form.ttl_seconds), result)))
    }

    async fn swap(
        &self,
        form: &ExpressForm,
        rewrite: &Rewrite,
        mut text: Bytes,
    ) -> Result<Outcome, SessionError> {
        for _ in 0..TRIES {
            let (mut new, mut result, mut seconds) = (Bytes::new(), Reply::Null, 1);
            if let Ok(mut blob) = Blob::parse(text.clone()) {
                result = match rewrite.apply(form, &mut blob)? {
                    Ok(result) => result,
                    Err(outcome) => return Ok(outcome),
                };
                let now = self.clock.now();
                blob.touch(now);
                new = blob.to_text().map_err(SessionError::Express)?;
                seconds = blob.ttl_seconds(now, form.ttl_seconds).max(1);
            } else if !text.is_empty() {
                return Ok(Outcome::Unknown);
            }
            let swap = self.express_keys(&SWAP, &rewrite.id).arg(&text).arg(new).arg(seconds);
            match self.eval(&swap.arg(self.recently())).await? {
                Reply::Integer(1) => return Ok(Outcome::Saved(Saved { slid: true, result })),
                Reply::Integer(_) => return Ok(Outcome::Gone),
                Reply::Bulk(now) => text = now,
                _ => return Ok(Outcome::Unknown),
            }
        }
        Err(SessionError::Contended { key: "(the whole session)".into() })
    }

    /// A script on the session of `id` and the mark of its end.
    fn express_keys(&self, script: &Script, id: &Id) -> Invocation {
        let key = format!("{}{}", self.prefix, String::from_utf8_lossy(id.as_bytes()));
        let mark = end_mark(&key);
        script.invoke().key(key).key(mark)
    }

    /// Since when a session that ended did so while requests are under way.
    fn recently(&self) -> u64 {
        self.clock.now().saturating_sub(MARK_SECONDS * 1000)
    }

    fn slide_percent(&self) -> u64 {
        (self.times.slide_after * 100).checked_div(self.times.idle).unwrap_or(0)
    }
}
