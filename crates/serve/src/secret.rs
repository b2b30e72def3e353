//! Secrets of a program, such as the URL of a database with its password: from the environment,
//! from a file, or from SSM Parameter Store.
//!
//! A secret is not read before it is asked for, which on AWS Lambda must not happen before the
//! first request. It is kept for a while, and read again when it has become old or when whoever
//! used it was refused with it: so a password that was changed needs no new deployment.
//!
//! ```
//! use tuckbox_serve::secret::{Ask, Secret};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! if let Some(url) = Secret::from_env("REDIS_URL")? {
//!     let first = url.get(Ask::Cached).await?;
//!     connect(first.expose());
//!     // Refused with it: has it been changed?
//!     let second = url.get(Ask::Fresh).await?;
//!     # connect(second.expose());
//! }
//! # Ok(()) }
//! # fn connect(_: &str) {}
//! ```

mod error;
mod source;
#[cfg(feature = "secrets-ssm")]
mod ssm;

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{sync::Semaphore, time::Instant};

pub use self::error::SecretError;
use self::source::Source;

/// A secret and where it comes from. Cloning is cheap, and clones share what they know.
#[derive(Clone)]
pub struct Secret {
    shared: Arc<Shared>,
    terms: Terms,
}

/// Whether an answer from before will do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ask {
    /// What is known, unless it is older than [`Secret::max_age`].
    Cached,
    /// What the source says now, because what is known was refused. A source that was asked
    /// within [`Secret::pause`] is not asked again: then this is what it said.
    Fresh,
}

/// The text of a secret. `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretText(Arc<str>);

#[derive(Clone, Copy, Debug)]
struct Terms {
    max_age: Duration,
    pause: Duration,
    deadline: Duration,
}

struct Shared {
    name: String,
    source: Source,
    /// One at a time asks the source; others wait for what that one learns.
    turn: Semaphore,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    /// The last text, and when its reading began.
    text: Option<(SecretText, Instant)>,
    /// The last failure, if nothing was read since.
    failure: Option<(SecretError, Instant)>,
}

impl Secret {
    /// The secret called `name`, if the environment has one: see [`Secret::from_lookup`].
    ///
    /// # Errors
    /// As [`Secret::from_lookup`].
    pub fn from_env(name: &str) -> Result<Option<Self>, SecretError> {
        Self::from_lookup(name, |name| {
            std::env::var_os(name).map(|value| value.to_string_lossy().into_owned())
        })
    }

    /// The secret called `name`, from the first of these variables that is set and not blank:
    ///
    /// | variable | what it is |
    /// |---|---|
    /// | `{name}` | the secret itself |
    /// | `{name}_FILE` | the path of a file that holds it, such as a mounted secret |
    /// | `{name}_SSM_PARAMETER` | the name of a parameter in SSM Parameter Store, read through the AWS Parameters and Secrets extension for Lambda (feature `secrets-ssm`) |
    ///
    /// White space around the secret is dropped.
    ///
    /// # Errors
    /// [`SecretError::Twice`] if more than one is set, so that nobody changes the one that is not
    /// read; [`SecretError::LeftOut`] without the feature.
    pub fn from_lookup(
        name: &str,
        lookup: impl Fn(&str) -> Option<String>,
    ) -> Result<Option<Self>, SecretError> {
        let source = Source::from_lookup(name, &lookup)?;
        Ok(source.map(|source| Self::new(name, source)))
    }

    /// A secret that is known, as by a default.
    #[must_use]
    pub fn known(name: &str, text: &str) -> Self {
        Self::new(name, Source::Text(SecretText(text.trim().into())))
    }

    fn new(name: &str, source: Source) -> Self {
        let shared = Arc::new(Shared {
            name: name.to_owned(),
            source,
            turn: Semaphore::new(1),
            known: Mutex::default(),
        });
        let terms = Terms {
            max_age: Duration::from_secs(300),
            pause: Duration::from_secs(1),
            deadline: Duration::from_secs(2),
        };
        Self { shared, terms }
    }

    /// How long a text counts as fresh, default 5 min.
    #[must_use]
    pub fn max_age(mut self, max_age: Duration) -> Self {
        self.terms.max_age = max_age;
        self
    }

    /// How long the source is left alone after it was asked, default 1 s: so that many who are
    /// refused at once do not all ask it. An error is remembered as long.
    #[must_use]
    pub fn pause(mut self, pause: Duration) -> Self {
        self.terms.pause = pause;
        self
    }

    /// How long one [`Secret::get`] may take, default 2 s.
    #[must_use]
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.terms.deadline = deadline;
        self
    }

    /// The variable's name, as in `REDIS_URL`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.shared.name
    }

    /// The text itself, if it stands in the environment: then it never changes, and what is wrong
    /// with it can be told at the start.
    #[must_use]
    pub fn fixed(&self) -> Option<SecretText> {
        match &self.shared.source {
            Source::Text(text) => Some(text.clone()),
            _ => None,
        }
    }

    /// The secret's text. At most one call asks the source at a time, and those that waited for it
    /// share its answer, or its error. If the source fails, a text that is merely old is used on, with a warning in
    /// the log.
    ///
    /// # Errors
    /// [`SecretError`], which says what to do, and never the secret.
    pub async fn get(&self, ask: Ask) -> Result<SecretText, SecretError> {
        if let Source::Text(text) = &self.shared.source {
            return Ok(text.clone());
        }
        let asked = Instant::now();
        if let Some(text) = self.known_text(ask, None) {
            return Ok(text);
        }
        let read = tokio::time::timeout(self.terms.deadline, self.read(ask, asked)).await;
        let error = match read {
            Ok(Ok(text)) => return Ok(text),
            Ok(Err(error)) => error,
            Err(_) => SecretError::TooSlow {
                name: self.shared.name.clone(),
                place: self.shared.source.to_string(),
                limit: self.terms.deadline,
            },
        };
        let old = self.shared.known().text.clone();
        match (ask, old) {
            (Ask::Cached, Some((text, _))) => {
                tracing::warn!(%error, "a secret could not be read again, the old one is used");
                Ok(text)
            }
            _ => Err(error),
        }
    }

    async fn read(&self, ask: Ask, asked: Instant) -> Result<SecretText, SecretError> {
        // Fails only if closed, which this never is.
        let _turn = self.shared.turn.acquire().await.ok();
        // Somebody may have been answered meanwhile.
        if let Some(text) = self.known_text(ask, Some(asked)) {
            return Ok(text);
        }
        if let Some((error, begun)) = &self.shared.known().failure
            && (*begun >= asked || begun.elapsed() < self.terms.pause)
        {
            return Err(error.clone());
        }
        let begun = Instant::now();
        let read = self.shared.source.read(&self.shared.name).await;
        let mut known = self.shared.known();
        match read {
            Ok(text) => {
                *known = Known { text: Some((text.clone(), begun)), failure: None };
                Ok(text)
            }
            Err(error) => {
                known.failure = Some((error.clone(), begun));
                Err(error)
            }
        }
    }

    /// What is known, if it will do for this question, which was put at `asked`.
    fn known_text(&self, ask: Ask, asked: Option<Instant>) -> Option<SecretText> {
        let known = self.shared.known();
        let (text, begun) = known.text.as_ref()?;
        let limit = match ask {
            Ask::Cached => self.terms.max_age,
            Ask::Fresh => self.terms.pause,
        };
        let will_do = begun.elapsed() < limit || asked.is_some_and(|asked| *begun >= asked);
        will_do.then(|| text.clone())
    }
}

impl Shared {
    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Shared { name, source, .. } = &*self.shared;
        f.debug_struct("Secret").field("name", name).field("from", &source.to_string()).finish()
    }
}

impl SecretText {
    /// The text. Whoever takes it must not log it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SecretText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretText(…)")
    }
}
