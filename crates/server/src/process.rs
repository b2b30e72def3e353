//! What the operating system knows of this process.

use std::fs;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// File descriptors that are not for clients: those of the log and the store, and
/// what is opened for a moment. A log that cannot open its next segment is out of
/// service.
const NOT_FOR_CLIENTS: usize = 64;

/// Bytes of memory in use, as the system counts them; `None` where it is not
/// known how to ask.
pub(crate) fn resident_bytes() -> Option<usize> {
    let text = fs::read_to_string("/proc/self/statm").ok()?;
    let pages: usize = text.split_ascii_whitespace().nth(1)?.parse().ok()?;
    pages.checked_mul(rustix::param::page_size())
}

/// Bytes of memory that the machine has.
pub(crate) fn system_bytes() -> Option<usize> {
    let text = fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    line.split_ascii_whitespace().next()?.parse::<usize>().ok()?.checked_mul(1024)
}

/// Seconds of processor time that the process took, by itself and in the system, and
/// that processes took which it has started and which have ended.
pub(crate) fn cpu_seconds() -> Option<[f64; 4]> {
    let text = fs::read_to_string("/proc/self/stat").ok()?;
    // The name of the program stands in brackets and may hold anything.
    let (_, fields) = text.rsplit_once(')')?;
    let mut times = fields.split_ascii_whitespace().skip(11);
    let ticks = rustix::param::clock_ticks_per_second() as f64;
    let mut next = || Some(times.next()?.parse::<u64>().ok()? as f64 / ticks);
    Some([next()?, next()?, next()?, next()?])
}

/// Asks the system for as many file descriptors as so many clients need, as far as
/// it gives them without privileges.
pub(crate) fn open_files_for(clients: usize) {
    let needed = u64::try_from(clients.saturating_add(NOT_FOR_CLIENTS)).unwrap_or(u64::MAX);
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current.is_none_or(|current| current >= needed) {
        return;
    }
    let current = Some(maximum.map_or(needed, |maximum| maximum.min(needed)));
    // What there is then is asked below.
    _ = setrlimit(Resource::Nofile, Rlimit { current, maximum });
}

/// How many clients the file descriptors are enough for, those of the log and the
/// store put aside; at least one.
pub(crate) fn most_clients() -> usize {
    let limit = getrlimit(Resource::Nofile).current;
    let limit = limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(usize::MAX);
    limit.saturating_sub(NOT_FOR_CLIENTS).max(1)
}
