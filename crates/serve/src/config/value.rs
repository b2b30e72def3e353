//! One parser per kind of value. The error is the end of the sentence "X must be …".

use std::{
    net::{IpAddr, Ipv4Addr},
    num::NonZeroUsize,
    time::Duration,
};

use super::{DURATION_MAX, DataVolume, HEADER_LIMIT_MIN, InvokeMode};
use crate::log::{LogFilter, LogFormat};

type Parsed<T> = Result<T, &'static str>;

pub(super) fn port(text: &str) -> Parsed<Option<u16>> {
    text.parse().map(Some).map_err(|_| "a port number from 0 to 65535, for example 5000")
}

pub(super) fn address(text: &str) -> Parsed<IpAddr> {
    if text.eq_ignore_ascii_case("localhost") {
        return Ok(IpAddr::V4(Ipv4Addr::LOCALHOST));
    }
    text.parse().map_err(
        |_| "an IP address: 127.0.0.1 for this machine only, 0.0.0.0 or :: for every network",
    )
}

pub(super) fn duration(text: &str) -> Parsed<Duration> {
    const EXPECTED: &str = "a duration of at most a day, for example 250ms, 30s or 2m";
    let (number, unit) = split(text);
    let number: u64 = number.parse().map_err(|_| EXPECTED)?;
    let milliseconds_per_unit = match unit {
        "ms" => 1,
        "" | "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return Err(EXPECTED),
    };
    let milliseconds = number.checked_mul(milliseconds_per_unit).ok_or(EXPECTED)?;
    let duration = Duration::from_millis(milliseconds);
    if duration > DURATION_MAX { Err(EXPECTED) } else { Ok(duration) }
}

/// A duration that a timeout can have: zero would refuse every request.
pub(super) fn timeout(text: &str) -> Parsed<Duration> {
    match duration(text)? {
        Duration::ZERO => Err("a duration above zero, for example 250ms, 30s or 2m"),
        duration => Ok(duration),
    }
}

pub(super) fn size(text: &str) -> Parsed<usize> {
    const EXPECTED: &str = "a size, for example 65536, 64KiB or 2MiB";
    let (number, unit) = split(text);
    let number: usize = number.parse().map_err(|_| EXPECTED)?;
    let bytes_per_unit: usize = match unit {
        "" | "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return Err(EXPECTED),
    };
    number.checked_mul(bytes_per_unit).ok_or(EXPECTED)
}

pub(super) fn header_limit(text: &str) -> Parsed<usize> {
    const EXPECTED: &str = "a size from 8KiB to 1MiB, for example 32KiB";
    match size(text) {
        Ok(bytes) if (HEADER_LIMIT_MIN..=1 << 20).contains(&bytes) => Ok(bytes),
        _ => Err(EXPECTED),
    }
}

pub(super) fn count(text: &str) -> Parsed<NonZeroUsize> {
    const EXPECTED: &str = "a whole number from 1 to 1000000";
    match text.parse::<NonZeroUsize>() {
        Ok(count) if count.get() <= 1_000_000 => Ok(count),
        _ => Err(EXPECTED),
    }
}

pub(super) fn workers(text: &str) -> Parsed<NonZeroUsize> {
    match text.parse::<NonZeroUsize>() {
        Ok(count) if count.get() <= 1024 => Ok(count),
        _ => Err("a whole number from 1 to 1024"),
    }
}

pub(super) fn log_format(text: &str) -> Parsed<LogFormat> {
    match text {
        "auto" => Ok(LogFormat::Auto),
        "human" => Ok(LogFormat::Human),
        "json" => Ok(LogFormat::Json),
        "cloud-logging" => Ok(LogFormat::CloudLogging),
        _ => Err("auto, human, json or cloud-logging"),
    }
}

/// As Lambda writes it.
pub(super) fn lambda_format(text: &str) -> Parsed<LogFormat> {
    if text.eq_ignore_ascii_case("json") {
        Ok(LogFormat::Json)
    } else if text.eq_ignore_ascii_case("text") {
        Ok(LogFormat::Human)
    } else {
        Err("JSON or Text")
    }
}

/// As Lambda writes it: one level for everything, and one above ours.
pub(super) fn lambda_level(text: &str) -> Parsed<LogFilter> {
    const EXPECTED: &str = "TRACE, DEBUG, INFO, WARN, ERROR or FATAL";
    let name = text.to_ascii_lowercase();
    match name.as_str() {
        "fatal" => "error".parse(),
        "trace" | "debug" | "info" | "warn" | "error" => name.parse(),
        _ => return Err(EXPECTED),
    }
    .map_err(|_| EXPECTED)
}

pub(super) fn hops(text: &str) -> Parsed<usize> {
    match text.parse() {
        Ok(hops @ 0..=16) => Ok(hops),
        _ => Err("a whole number from 0 to 16"),
    }
}

pub(super) fn project(text: &str) -> Parsed<Option<String>> {
    // A name, or for some old projects a domain and a name.
    let part = |byte: u8| byte.is_ascii_alphanumeric() || b"-.:_".contains(&byte);
    if text.len() <= 128 && text.bytes().all(part) {
        Ok(Some(text.to_owned()))
    } else {
        Err("the id of a project, for example shop-1234")
    }
}

pub(super) fn invoke_mode(text: &str) -> Parsed<InvokeMode> {
    if text.eq_ignore_ascii_case("buffered") {
        Ok(InvokeMode::Buffered)
    } else if text.eq_ignore_ascii_case("response_stream") {
        Ok(InvokeMode::ResponseStream)
    } else {
        Err("buffered or response_stream, as InvokeMode of the function URL")
    }
}

pub(super) fn switch(text: &str) -> Parsed<bool> {
    match text {
        "on" => Ok(true),
        "off" => Ok(false),
        _ => Err("on or off"),
    }
}

pub(super) fn data_volume(text: &str) -> Parsed<DataVolume> {
    match text {
        "persistent" => Ok(DataVolume::Persistent),
        "ephemeral" => Ok(DataVolume::Ephemeral),
        _ => Err("persistent or ephemeral"),
    }
}

pub(super) fn log_level(text: &str) -> Parsed<LogFilter> {
    text.parse().map_err(|_| {
        "error, warn, info, debug, trace or off, and part=level after commas, for example \
         info,access=off"
    })
}

/// Splits `30s` into `30` and `s`.
fn split(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    (number, unit.trim_start())
}
