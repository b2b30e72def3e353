//! [`Sourced`]: a database whose URL comes from a source.

use std::{
    error::Error as StdError,
    fmt, io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use super::{asking::Asking, batch::Piece, database::Database, refusal::Refusal, state::Replies};
use crate::{
    Error, Options, Refresh,
    source::{Problem, Source},
    terms::Terms,
    transport,
};

/// How soon the source may be asked again after it failed or looked again. What
/// it remembers may be old, so at first it may look again at once.
const ASK_EVERY: Duration = Duration::from_millis(100);

/// How often that time doubles while the source goes on naming a URL that the
/// server refuses: to 3.2 s.
const DOUBLINGS: u32 = 5;

/// A database whose URL comes from a source.
pub(crate) struct Sourced {
    source: Arc<Source>,
    options: Options,
    known: Mutex<Known>,
    /// Locked by the one call that asks.
    asking: tokio::sync::Mutex<Asking>,
}

/// What the source has told.
#[derive(Default)]
struct Known {
    current: Option<Current>,
    /// The last URL was refused, or was none.
    doubted: bool,
    /// When the source last failed or looked again.
    asked: Option<Instant>,
    /// Why it had no URL when it answered last.
    failure: Option<Cause>,
    /// How often in a row it named the same URL again.
    fruitless: u32,
    closed: bool,
}

type Cause = Arc<dyn StdError + Send + Sync>;

#[derive(Clone)]
struct Current {
    /// With its credentials.
    url: String,
    database: Arc<Database>,
    /// When the source last named it, or was last asked to.
    named: Instant,
}

impl Known {
    fn may_ask(&self) -> bool {
        let pause = ASK_EVERY * 2_u32.pow(self.fruitless.min(DOUBLINGS));
        self.asked.is_none_or(|asked| asked.elapsed() >= pause)
    }

    /// What to use in place of `refused`; without one, unless it is in doubt.
    fn instead_of(&self, refused: Option<&Arc<Database>>) -> Option<Arc<Database>> {
        let current = &self.current.as_ref()?.database;
        let other = match refused {
            Some(refused) => !Arc::ptr_eq(refused, current),
            None => !self.doubted,
        };
        other.then(|| Arc::clone(current))
    }
}

impl Sourced {
    pub(super) fn new(source: Source, options: Options) -> Self {
        Self::knowing(Known::default(), Arc::new(source), options)
    }

    fn knowing(known: Known, source: Arc<Source>, options: Options) -> Self {
        Self { source, options, known: Mutex::new(known), asking: tokio::sync::Mutex::default() }
    }

    /// The same, with connections of its own. It begins with the same URL and
    /// asks on its own from then on.
    pub(super) fn twin(&self) -> Self {
        let current = self.lock().current.as_ref().map(|current| Current {
            url: current.url.clone(),
            database: Arc::new(current.database.twin()),
            named: current.named,
        });
        let known = Known { current, ..Known::default() };
        Self::knowing(known, Arc::clone(&self.source), self.options.clone())
    }

    /// Sends `piece` and waits for its replies; once more with another URL when
    /// the server refuses the credentials of this one.
    pub(super) async fn exchange(&self, piece: Piece<'_>, terms: Terms) -> Result<Replies, Error> {
        let (database, terms) = self.database(terms).await?;
        let result = database.exchange(piece, terms).await;
        let Some(refusal) = Refusal::find(&result, &piece, terms) else { return result };
        self.doubt(&database);
        if !refusal.repeatable {
            return result;
        }
        let applied = result.as_ref().is_err_and(Error::maybe_applied);
        let began = Instant::now();
        match self.ask(Some(&database)).await {
            Ok(Some(other)) => match other.exchange(piece, terms.without_since(began)).await {
                Err(error) if applied => Err(error.with_applied(self)),
                again => again,
            },
            Ok(None) => result,
            Err(_) if applied => result,
            Err(Error::Source { cause, .. }) => {
                Err(Error::Source { refusal: Some(refusal.reply), cause })
            }
            Err(error) => Err(error),
        }
    }

    /// Where the source says, asked now if that must be, and the terms without
    /// the time that took.
    async fn database(&self, terms: Terms) -> Result<(Arc<Database>, Terms), Error> {
        let current = {
            let mut known = self.lock();
            if known.closed {
                return Err(Error::Closed);
            }
            let (doubted, may_ask) = (known.doubted, known.may_ask());
            match &mut known.current {
                None => None,
                Some(current) if doubted && may_ask => Some(Arc::clone(&current.database)),
                Some(current) => {
                    let fresh = current.named.elapsed() < self.options.source_max_age;
                    let database = Arc::clone(&current.database);
                    if doubted || fresh {
                        return Ok((database, terms));
                    }
                    // This call asks; others go on meanwhile.
                    current.named = Instant::now();
                    Some(database)
                }
            }
        };
        let began = Instant::now();
        let asked = self.ask(current.as_ref().filter(|_| !self.lock().doubted)).await;
        let database = match (asked, current) {
            (Ok(Some(database)), _) | (Ok(None), Some(database)) => database,
            // The server may accept it again, or still does.
            (Err(Error::Source { .. }), Some(known)) => known,
            (Err(error), _) => return Err(error),
            (Ok(None), None) => return Err(Error::Closed),
        };
        Ok((database, terms.without_since(began)))
    }

    /// Asks the source, unless another call has just done so, for something
    /// else than `other_than`. `None` when there is nothing else.
    async fn ask(
        &self,
        other_than: Option<&Arc<Database>>,
    ) -> Result<Option<Arc<Database>>, Error> {
        let asked = async {
            let mut asking = self.asking.lock().await;
            let refresh = {
                let known = self.lock();
                if known.closed {
                    return Err(Error::Closed);
                }
                if let Some(other) = known.instead_of(other_than) {
                    return Ok(Some(other));
                }
                if !known.may_ask() {
                    return known.failure.clone().map_or(Ok(None), no_url);
                }
                if known.doubted { Refresh::Again } else { Refresh::Cached }
            };
            let answer = asking.answer(|| (self.source)(refresh)).await;
            self.learn(refresh, answer)
        };
        let limit = self.options.source_timeout;
        tokio::time::timeout(limit, asked).await.unwrap_or_else(|_| {
            let text = format!("no answer within {} ms", limit.as_millis());
            no_url(Arc::new(io::Error::new(io::ErrorKind::TimedOut, text)))
        })
    }

    /// Remembers what the source has answered; `None` when that is nothing new.
    fn learn(
        &self,
        refresh: Refresh,
        answer: Result<String, Problem>,
    ) -> Result<Option<Arc<Database>>, Error> {
        let opened = answer.map_err(Cause::from).and_then(|url| self.open(&url));
        let mut known = self.lock();
        if refresh == Refresh::Again || opened.is_err() {
            known.asked = Some(Instant::now());
        }
        known.failure = opened.as_ref().err().cloned();
        if known.closed {
            return Err(Error::Closed);
        }
        let Some(current) = opened.or_else(no_url)? else {
            known.doubted = false;
            known.fruitless += u32::from(refresh == Refresh::Again);
            return Ok(None);
        };
        let database = Arc::clone(&current.database);
        (known.doubted, known.fruitless, known.current) = (false, 0, Some(current));
        Ok(Some(database))
    }

    /// What is behind `url`; `None` when it is the current one.
    fn open(&self, url: &str) -> Result<Option<Current>, Cause> {
        let url = url.trim();
        if self.lock().current.as_ref().is_some_and(|current| current.url == url) {
            return Ok(None);
        }
        match transport::open_sourced(url, &self.options) {
            Ok(database) => {
                let (url, named) = (url.to_owned(), Instant::now());
                Ok(Some(Current { url, database: Arc::new(database), named }))
            }
            Err(error) => {
                self.lock().doubted = true;
                Err(Arc::new(error))
            }
        }
    }

    /// A server refused the credentials for `database`.
    fn doubt(&self, database: &Arc<Database>) {
        let mut known = self.lock();
        if known.current.as_ref().is_some_and(|current| Arc::ptr_eq(&current.database, database)) {
            known.doubted = true;
        }
    }

    /// Drops the connections and refuses later calls.
    pub(super) fn close(&self) {
        let current = {
            let mut known = self.lock();
            known.closed = true;
            known.current.take()
        };
        if let Some(current) = current {
            current.database.close();
        }
        // Who asks at the moment finds out when there is an answer.
        if let Ok(mut asking) = self.asking.try_lock() {
            asking.drop_question();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn no_url<T>(cause: Cause) -> Result<T, Error> {
    Err(Error::Source { refusal: None, cause })
}

/// The URL without credentials.
impl fmt::Display for Sourced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.lock().current {
            Some(current) => current.database.fmt(f),
            None => f.write_str("a URL that is not known yet"),
        }
    }
}
