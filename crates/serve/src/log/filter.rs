use std::{fmt, str::FromStr};

use tracing::{Level, level_filters::LevelFilter};
use tracing_subscriber::filter::Targets;

/// Which events are logged: a level for everything, and levels for parts of the program.
///
/// Written `level,part=level,…`. A part is a `tracing` target, by default the module's path, and
/// covers those below it; the access log is the part `access`.
///
/// ```
/// let filter: tuckbox_serve::LogFilter = "info,access=off,lessons=debug".parse()?;
/// assert_eq!(filter.to_string(), "info,access=off,lessons=debug");
/// # Ok::<(), tuckbox_serve::LogFilterError>(())
/// ```
#[derive(Clone, PartialEq)]
pub struct LogFilter {
    text: String,
    targets: Targets,
}

/// A filter that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{part:?} is not a log level: write error, warn, info, debug, trace or off, or part=level")]
pub struct LogFilterError {
    part: String,
}

impl LogFilter {
    pub(super) fn targets(&self) -> Targets {
        self.targets.clone()
    }

    pub(super) fn enables(&self, target: &str, level: &Level) -> bool {
        self.targets.would_enable(target, level)
    }
}

impl Default for LogFilter {
    fn default() -> Self {
        Self { text: "info".to_owned(), targets: Targets::new().with_default(LevelFilter::INFO) }
    }
}

impl FromStr for LogFilter {
    type Err = LogFilterError;

    // Not the parser of `Targets`: that one takes a misspelt level for the name of a part.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut targets = Targets::new().with_default(LevelFilter::INFO);
        for part in text.split(',').map(str::trim) {
            let error = || LogFilterError { part: part.chars().take(80).collect() };
            targets = match part.split_once('=') {
                Some((target, _)) if target.trim().is_empty() => return Err(error()),
                Some((target, name)) => {
                    targets.with_target(target.trim(), level(name.trim()).ok_or_else(error)?)
                }
                None => targets.with_default(level(part).ok_or_else(error)?),
            };
        }
        Ok(Self { text: text.trim().to_owned(), targets })
    }
}

fn level(name: &str) -> Option<LevelFilter> {
    let levels = [
        ("error", LevelFilter::ERROR),
        ("warn", LevelFilter::WARN),
        ("info", LevelFilter::INFO),
        ("debug", LevelFilter::DEBUG),
        ("trace", LevelFilter::TRACE),
        ("off", LevelFilter::OFF),
    ];
    levels.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, level)| *level)
}

impl fmt::Display for LogFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for LogFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LogFilter({})", self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_covers_everything_and_a_part_overrides_it() {
        let filter: LogFilter = "warn, lessons::store=debug".parse().unwrap();
        assert!(filter.enables("anything", &Level::WARN));
        assert!(!filter.enables("anything", &Level::INFO));
        assert!(filter.enables("lessons::store::keys", &Level::DEBUG));
        assert!(!filter.enables("lessons", &Level::INFO));
    }

    #[test]
    fn a_misspelt_level_is_an_error_and_not_a_part() {
        assert_eq!("inof".parse::<LogFilter>(), Err(LogFilterError { part: "inof".to_owned() }));
        for bad in ["", "info,", "=info", "access=", "access=loud"] {
            assert!(bad.parse::<LogFilter>().is_err(), "{bad}");
        }
    }

    #[test]
    fn the_access_log_can_be_turned_off_alone() {
        let filter: LogFilter = "info,access=off".parse().unwrap();
        assert!(!filter.enables("access", &Level::ERROR));
        assert!(filter.enables("lessons", &Level::INFO));
    }
}
