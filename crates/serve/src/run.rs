//! A program's `main`.

use std::{
    error::Error,
    fmt::Write as _,
    io::{self, Write as _},
    process::ExitCode,
    time::Duration,
};

use tokio::runtime::{Builder, Runtime};

use crate::{config::Config, error::ServeError, log::Log, serve::LOG_LIMIT};

/// How long work on other threads may last after `main` has returned.
const BLOCKING_LIMIT: Duration = Duration::from_secs(1);

/// The whole of a program's `main`: reads the configuration from the environment, installs the
/// log, runs `main` on an async runtime with as many threads as the configuration says, and
/// flushes the log. An error is printed with its causes, and gives the exit code 1.
///
/// ```no_run
/// use std::process::ExitCode;
///
/// use axum::{Router, routing::get};
///
/// fn main() -> ExitCode {
///     tuckbox_serve::run(|config| async {
///         let router = Router::new().route("/", get(|| async { "hello" }));
///         tuckbox_serve::serve(router, config).await
///     })
/// }
/// ```
pub fn run<M, F, E>(main: M) -> ExitCode
where
    M: FnOnce(Config) -> F,
    F: Future<Output = Result<(), E>>,
    E: Into<Box<dyn Error + Send + Sync>>,
{
    match try_run(main) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nothing is left to be told if this fails.
            let _ = io::stderr().write_all(describe(&*error).as_bytes());
            ExitCode::FAILURE
        }
    }
}

fn try_run<M, F, E>(main: M) -> Result<(), Box<dyn Error + Send + Sync>>
where
    M: FnOnce(Config) -> F,
    F: Future<Output = Result<(), E>>,
    E: Into<Box<dyn Error + Send + Sync>>,
{
    let config = Config::from_env()?;
    let log = Log::install(&config)?;
    let runtime = runtime(&config)?;
    let result = runtime.block_on(main(config));
    runtime.shutdown_timeout(BLOCKING_LIMIT);
    log.flush(LOG_LIMIT);
    result.map_err(Into::into)
}

fn runtime(config: &Config) -> Result<Runtime, ServeError> {
    let mut builder = match config.workers.get() {
        1 => Builder::new_current_thread(),
        workers => {
            let mut builder = Builder::new_multi_thread();
            builder.worker_threads(workers);
            builder
        }
    };
    builder
        .enable_all()
        .build()
        .map_err(|source| ServeError::System { what: "an async runtime", source })
}

/// An error and its causes on one line. A cause that its error has told already is left out.
fn describe(error: &(dyn Error + 'static)) -> String {
    let mut text = format!("error: {error}");
    let mut cause = error.source();
    while let Some(error) = cause {
        let told = error.to_string();
        if !text.contains(&told) {
            // Writing to a string does not fail.
            let _ = write!(text, ": {told}");
        }
        cause = error.source();
    }
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("the store does not open")]
    struct Outer(#[source] io::Error);

    #[test]
    fn an_error_is_told_with_its_causes() {
        let error = Outer(io::Error::other("disk on fire"));
        assert_eq!(describe(&error), "error: the store does not open: disk on fire\n");
    }

    #[test]
    fn a_cause_is_not_told_twice() {
        let address = "127.0.0.1:1".parse().unwrap();
        let error = ServeError::Listen { address, source: io::Error::other("odd") };
        assert_eq!(describe(&error), "error: cannot listen on 127.0.0.1:1: odd\n");
    }
}
