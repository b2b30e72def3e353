//! The log: one line per event, for people or for machines, that never holds up a request.

mod access;
mod buffer;
mod filter;
mod layer;
mod line;
mod stamp;

use std::{
    fmt,
    fs::File,
    io::{self, IsTerminal, Write},
    os::fd::AsFd,
    sync::{Arc, OnceLock},
    time::{Duration, SystemTime},
};

use tracing::{Level, Subscriber};
use tracing_subscriber::layer::SubscriberExt;

pub(crate) use self::access::AccessLine;
pub use self::filter::{LogFilter, LogFilterError};
#[cfg(feature = "lambda")]
pub(crate) use self::stamp::now;
use self::{
    access::AccessLevels,
    buffer::Buffer,
    line::{Line, Style},
};
use crate::{config::Config, error::ServeError, platform::Platform};

/// The form of log lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum LogFormat {
    /// `Human` on a terminal, else `Json`.
    #[default]
    Auto,
    /// A line that a person reads, in colour on a terminal (unless `NO_COLOR` is set).
    Human,
    /// One JSON object a line: `timestamp` (RFC 3339, UTC), `level`, `message`, `target`, then
    /// the event's fields and those of the spans around it, such as `request_id`. What AWS Lambda
    /// takes for JSON logs is the same.
    Json,
    /// JSON as Google's Cloud Logging reads it: `time`, `severity`, `message`, for requests
    /// `httpRequest`, and `logging.googleapis.com/trace` if the request has a trace and
    /// [`Config::google_cloud_project`] says whose.
    CloudLogging,
}

/// A log that several servers and a `tracing` subscriber may share. Cloning is cheap.
///
/// Lines go to a buffer in memory of at most 1 MiB, and a thread of its own writes them out every
/// 25 ms, at once for errors, and not at all while there is nothing to write. When the output
/// takes lines too slowly and the buffer is full, further lines are dropped and counted, and a
/// line says how many: a request never waits for the log. A program that ends must call
/// [`Log::flush`], as [`serve`](crate::serve()) and [`run`](crate::run()) do. On AWS Lambda, which
/// freezes a process once it has answered, each line is written at once.
///
/// Control characters in a line are escaped, so that no client can forge a line or speak to the
/// reader's terminal.
#[derive(Clone)]
pub struct Log {
    core: Arc<Core>,
}

struct Core {
    buffer: Buffer,
    style: Style,
    filter: LogFilter,
    access: AccessLevels,
    now: fn() -> SystemTime,
}

/// The log of the process, made by the first [`Log::install`].
static INSTALLED: OnceLock<Log> = OnceLock::new();

impl Log {
    /// A log on the standard output.
    ///
    /// # Errors
    /// [`ServeError::System`] if the system gives no thread or no descriptor.
    pub fn stdout(config: &Config) -> Result<Self, ServeError> {
        let stdout = io::stdout();
        let terminal = stdout.is_terminal();
        // The standard library's handle would look for line ends to flush at; the buffer already
        // hands over whole lines, many at a time.
        let output = stdout.as_fd().try_clone_to_owned().map_err(|source| ServeError::System {
            what: "a copy of the standard output",
            source,
        })?;
        let colour = terminal && std::env::var_os("NO_COLOR").is_none();
        let style = match config.log_format {
            LogFormat::Human => Style::Human { colour },
            LogFormat::Auto if terminal => Style::Human { colour },
            LogFormat::Auto | LogFormat::Json => Style::Json,
            LogFormat::CloudLogging => Style::CloudLogging,
        };
        Self::start(Box::new(File::from(output)), style, config)
    }

    /// A log on any output. `Auto` means `Json` here.
    ///
    /// # Errors
    /// [`ServeError::System`] if the system gives no thread.
    pub fn to(output: impl Write + Send + 'static, config: &Config) -> Result<Self, ServeError> {
        let style = match config.log_format {
            LogFormat::Human => Style::Human { colour: false },
            LogFormat::Auto | LogFormat::Json => Style::Json,
            LogFormat::CloudLogging => Style::CloudLogging,
        };
        Self::start(Box::new(output), style, config)
    }

    fn start(
        output: Box<dyn Write + Send>,
        style: Style,
        config: &Config,
    ) -> Result<Self, ServeError> {
        let report = move |out: &mut Vec<u8>, dropped| {
            let mut line = Line::begin(out, style, stamp::now(), &Level::WARN, "tuckbox_serve");
            line.message("log lines were dropped because the output took them too slowly");
            line.number("dropped", dropped);
            line.end();
        };
        let buffer = match config.platform {
            // The process is frozen as soon as it has answered: a line that waits for its writer
            // would come with the next request, or never.
            Platform::Lambda => Ok(Buffer::unbuffered(output)),
            Platform::Local | Platform::CloudRun => Buffer::start(output, report),
        }
        .map_err(|source| ServeError::System { what: "a thread for the log", source })?;
        let filter = config.log_level.clone();
        let access = AccessLevels::of(&filter);
        Ok(Self { core: Arc::new(Core { buffer, style, filter, access, now: stamp::now }) })
    }

    /// The log of this process: on the standard output, and receiver of all `tracing` events.
    ///
    /// The first call makes it, later calls return the same one. Where the program has set a
    /// `tracing` subscriber of its own before, that one keeps receiving the events and this log
    /// has the access lines only.
    ///
    /// # Errors
    /// As [`Log::stdout`].
    pub fn install(config: &Config) -> Result<Self, ServeError> {
        if let Some(log) = INSTALLED.get() {
            return Ok(log.clone());
        }
        let log = INSTALLED.get_or_init({
            let log = Self::stdout(config)?;
            || log
        });
        // An error means that the program has a subscriber already, which is its right.
        let _ = tracing::subscriber::set_global_default(log.subscriber());
        Ok(log.clone())
    }

    /// A `tracing` subscriber that writes events to this log.
    pub fn subscriber(&self) -> impl Subscriber + Send + Sync + use<> {
        tracing_subscriber::registry()
            .with(self.core.filter.targets())
            .with(layer::EventLayer::new(self.clone()))
    }

    /// Waits until every line given so far is written, at most `limit`. Blocks the thread.
    ///
    /// Returns whether all were written.
    pub fn flush(&self, limit: Duration) -> bool {
        self.core.buffer.flush(limit)
    }
}

impl fmt::Debug for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Log").field("style", &self.core.style).finish_non_exhaustive()
    }
}
