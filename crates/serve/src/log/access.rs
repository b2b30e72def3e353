//! The access line: one per request.

use std::{cell::RefCell, time::Duration};

use http::{Method, StatusCode};
use tracing::Level;

use super::{
    Log, LogFilter,
    line::{Line, Style},
};
use crate::correlation::{Correlation, Value};

/// The part of the program by which the access log is filtered.
const TARGET: &str = "access";

/// Longest path shown, in bytes: enough to recognise any honest one.
const PATH_BYTES_MAX: usize = 512;

/// What is said of one request. Never its query: queries hold user ids and secrets.
pub(crate) struct AccessLine<'a> {
    pub(crate) method: &'a Method,
    pub(crate) path: &'a str,
    pub(crate) status: StatusCode,
    /// From the request's head to the response's last byte handed to the connection.
    pub(crate) duration: Duration,
    /// Of the response's body.
    pub(crate) bytes: u64,
    pub(crate) names: &'a Correlation,
    /// The client left before it had the whole response.
    pub(crate) aborted: bool,
    /// A probe that asks often and says little: logged at debug level.
    pub(crate) probe: bool,
}

/// Which access lines are wanted: settled once, read for every request.
pub(super) struct AccessLevels {
    error: bool,
    info: bool,
    debug: bool,
}

impl AccessLevels {
    pub(super) fn of(filter: &LogFilter) -> Self {
        Self {
            error: filter.enables(TARGET, &Level::ERROR),
            info: filter.enables(TARGET, &Level::INFO),
            debug: filter.enables(TARGET, &Level::DEBUG),
        }
    }
}

thread_local! {
    static SCRATCH: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

impl Log {
    /// Writes the line of a request, unless the filter leaves it out.
    pub(crate) fn access(&self, access: &AccessLine<'_>) {
        let levels = &self.core.access;
        let (level, wanted) = if access.status.is_server_error() {
            (Level::ERROR, levels.error)
        } else if access.probe {
            (Level::DEBUG, levels.debug)
        } else {
            (Level::INFO, levels.info)
        };
        if !wanted {
            return;
        }
        self.write(false, |out| {
            let mut line = Line::begin(out, self.core.style, (self.core.now)(), &level, TARGET);
            fill(&mut line, self.core.style, access);
            line.end();
        });
    }

    /// Forms a line in a buffer that the thread keeps, and hands it over. `urgent` lines are
    /// written out at once.
    pub(super) fn write(&self, urgent: bool, form: impl FnOnce(&mut Vec<u8>)) {
        SCRATCH.with(|scratch| match scratch.try_borrow_mut() {
            Ok(mut out) => {
                out.clear();
                form(&mut out);
                self.core.buffer.push(&out, urgent);
                out.shrink_to(32 << 10);
            }
            // A value that logs while it is being formatted.
            Err(_) => {
                let mut out = Vec::new();
                form(&mut out);
                self.core.buffer.push(&out, urgent);
            }
        });
    }
}

fn fill(line: &mut Line<'_>, style: Style, access: &AccessLine<'_>) {
    let mut digits = itoa::Buffer::new();
    let path = cut(access.path);
    match style {
        Style::Human { .. } => {
            line.message(access.method.as_str());
            line.message(path);
            line.message(access.status.as_str());
        }
        Style::Json => {
            line.plain("message", "\"request\"");
            line.text("method", access.method.as_str());
            line.text("path", path);
            line.number("status", u64::from(access.status.as_u16()));
        }
        Style::CloudLogging => fill_http_request(line, path, access),
    }
    if style != Style::CloudLogging {
        // Milliseconds with three decimals, without floating point.
        let micros = u64::try_from(access.duration.as_micros()).unwrap_or(u64::MAX);
        let decimals = (micros % 1_000) as u32;
        line.plain("duration_ms", digits.format(micros / 1_000));
        let (out, _) = line.out();
        let place = |unit: u32| b'0' + (decimals / unit % 10) as u8;
        out.extend_from_slice(&[b'.', place(100), place(10), place(1)]);
        line.number("bytes", access.bytes);
    }
    access.names.each(|name, value| match value {
        Value::Text(text) => line.text(name, text),
        Value::Bool(true) => line.plain(name, "true"),
        Value::Bool(false) => line.plain(name, "false"),
    });
    if access.aborted {
        line.plain("aborted", "true");
    }
}

/// The message as people read it in the console, and the object by which the console shows the
/// line as a request.
fn fill_http_request(line: &mut Line<'_>, path: &str, access: &AccessLine<'_>) {
    let (method, status) = (access.method.as_str(), access.status.as_str());
    line.message(format_args!("{method} {path} {status}"));
    line.object("httpRequest", |line| {
        line.text("requestMethod", method);
        line.text("requestUrl", path);
        line.number("status", u64::from(access.status.as_u16()));
        // A number of 64 bits is a string in Google's JSON; a duration has its unit with it.
        line.text("responseSize", access.bytes);
        let (seconds, micros) = (access.duration.as_secs(), access.duration.subsec_micros());
        line.text("latency", format_args!("{seconds}.{micros:06}s"));
    });
}

fn cut(path: &str) -> &str {
    if path.len() <= PATH_BYTES_MAX {
        return path;
    }
    let mut end = PATH_BYTES_MAX;
    while !path.is_char_boundary(end) {
        end -= 1;
    }
    &path[..end]
}

#[cfg(test)]
mod tests {
    use std::{
        io::{self, Write},
        sync::{Arc, Mutex},
        time::Duration,
    };

    use super::*;
    use crate::{Config, LogFormat, correlation::Naming};

    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn line(log_format: LogFormat, level: &str, access: &AccessLine<'_>) -> String {
        let kept = Kept::default();
        let config = Config { log_format, log_level: level.parse().unwrap(), ..Config::default() };
        let log = Log::to(kept.clone(), &config).unwrap();
        log.access(access);
        assert!(log.flush(Duration::from_secs(5)));
        let text = String::from_utf8(kept.0.lock().unwrap().clone()).unwrap();
        // The time of day is the only part that varies.
        match text.find("20") {
            Some(at) => format!("{}TIME{}", &text[..at], &text[at + 24..]),
            None => text,
        }
    }

    fn names() -> &'static Correlation {
        static NAMES: std::sync::OnceLock<Correlation> = std::sync::OnceLock::new();
        NAMES.get_or_init(|| {
            let mut headers = http::HeaderMap::new();
            headers.insert("x-request-id", "abc".parse().unwrap());
            Naming::Plain.name(&headers)
        })
    }

    fn example() -> AccessLine<'static> {
        AccessLine {
            method: &Method::GET,
            path: "/lessons/completed",
            status: StatusCode::OK,
            duration: Duration::from_micros(1_042),
            bytes: 14,
            names: names(),
            aborted: false,
            probe: false,
        }
    }

    #[test]
    fn a_line_for_machines_is_one_json_object() {
        assert_eq!(
            line(LogFormat::Json, "info", &example()),
            "{\"timestamp\":\"TIME\",\"level\":\"INFO\",\"target\":\"access\",\
             \"message\":\"request\",\"method\":\"GET\",\"path\":\"/lessons/completed\",\
             \"status\":200,\"duration_ms\":1.042,\"bytes\":14,\"request_id\":\"abc\"}\n"
        );
    }

    #[test]
    fn a_line_for_cloud_logging_has_the_names_that_it_knows() {
        assert_eq!(
            line(LogFormat::CloudLogging, "info", &example()),
            "{\"time\":\"TIME\",\"severity\":\"INFO\",\"target\":\"access\",\
             \"message\":\"GET /lessons/completed 200\",\"httpRequest\":{\
             \"requestMethod\":\"GET\",\"requestUrl\":\"/lessons/completed\",\"status\":200,\
             \"responseSize\":\"14\",\"latency\":\"0.001042s\"},\"request_id\":\"abc\"}\n"
        );
    }

    #[test]
    fn a_line_for_people_is_short() {
        assert_eq!(
            line(LogFormat::Human, "info", &example()),
            "TIME  INFO GET /lessons/completed 200 duration_ms=1.042 bytes=14 request_id=abc\n"
        );
    }

    #[test]
    fn a_probe_is_logged_at_debug_level_unless_it_fails() {
        let probe = || AccessLine { probe: true, ..example() };
        assert_eq!(line(LogFormat::Human, "info", &probe()), "");
        assert!(line(LogFormat::Human, "debug", &probe()).contains("DEBUG GET"));
        let failed = AccessLine { status: StatusCode::SERVICE_UNAVAILABLE, ..probe() };
        assert!(line(LogFormat::Human, "info", &failed).contains("ERROR GET"));
    }

    #[test]
    fn the_access_log_can_be_turned_off() {
        assert_eq!(line(LogFormat::Human, "info,access=off", &example()), "");
    }

    #[test]
    fn a_very_long_path_is_cut() {
        let path = format!("/{}", "é".repeat(600));
        let access = AccessLine { path: &path, ..example() };
        assert!(line(LogFormat::Json, "info", &access).len() < 800);
    }
}
