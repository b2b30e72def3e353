//! Parameters that are taken and have no effect: what they tune in Redis is done in
//! another way here, or not at all. Clients, suites and configuration tools set them.

use crate::serve::parse_size;

/// What a parameter's value may be.
#[derive(Clone, Copy, Debug)]
enum Kind {
    /// `yes` or `no`.
    Switch,
    /// A whole number, from the first to the second.
    Number(i64, i64),
    /// Bytes, as in `64mb`.
    Size,
    /// Bytes, or per cent of the memory.
    SizeOrPercent,
    /// One of these words.
    OneOf(&'static [&'static str]),
    /// Pairs of seconds and changes, or nothing.
    SavePoints,
    /// Nothing but what it is: anything else would be expected to do something.
    Only,
}

/// A parameter without effect.
#[derive(Debug)]
pub(super) struct Idle {
    pub(super) name: &'static str,
    pub(super) default: &'static str,
    kind: Kind,
}

const fn idle(name: &'static str, default: &'static str, kind: Kind) -> Idle {
    Idle { name, default, kind }
}

use Kind::{Number, OneOf, Only, SavePoints, Size, SizeOrPercent, Switch};

/// The largest number of Redis' `int` and `long`.
const INT: i64 = i32::MAX as i64;
const LONG: i64 = i64::MAX;

/// All of them.
pub(super) const IDLE: &[Idle] = &[
    idle("acllog-max-len", "128", Number(0, LONG)),
    idle("active-expire-effort", "1", Number(1, 10)),
    idle("activedefrag", "no", Only),
    idle("activerehashing", "yes", Switch),
    idle("aof-rewrite-incremental-fsync", "yes", Switch),
    idle("aof-use-rdb-preamble", "yes", Switch),
    idle("auto-aof-rewrite-min-size", "67108864", Size),
    idle("auto-aof-rewrite-percentage", "100", Number(0, INT)),
    // A script is ended before anybody is told that the server is busy.
    idle("busy-reply-threshold", "5000", Number(0, LONG)),
    idle("dynamic-hz", "yes", Switch),
    idle("hash-max-listpack-entries", "512", Number(0, LONG)),
    idle("hash-max-listpack-value", "64", Size),
    idle("hll-sparse-max-bytes", "3000", Size),
    idle("hz", "10", Number(1, 500)),
    idle("jemalloc-bg-thread", "no", Only),
    idle("key-load-delay", "0", Number(-INT, INT)),
    idle("lazyfree-lazy-eviction", "no", Switch),
    idle("lazyfree-lazy-expire", "no", Switch),
    idle("lazyfree-lazy-server-del", "no", Switch),
    idle("lazyfree-lazy-user-del", "no", Switch),
    idle("lazyfree-lazy-user-flush", "no", Switch),
    idle("lfu-decay-time", "1", Number(0, INT)),
    idle("lfu-log-factor", "10", Number(0, INT)),
    idle("list-compress-depth", "0", Number(0, INT)),
    idle("list-max-listpack-size", "-2", Number(-INT, INT)),
    idle("loglevel", "notice", OneOf(&["debug", "verbose", "notice", "warning"])),
    idle("maxmemory-clients", "0", SizeOrPercent),
    idle("maxmemory-eviction-tenacity", "10", Number(0, 100)),
    idle("maxmemory-samples", "5", Number(1, INT)),
    // Writes would be refused, as there are no replicas.
    idle("min-replicas-to-write", "0", Only),
    idle("min-replicas-max-lag", "10", Number(0, INT)),
    idle("no-appendfsync-on-rewrite", "no", Switch),
    idle("notify-keyspace-events", "", Only),
    idle("oom-score-adj", "no", Only),
    idle("rdb-key-save-delay", "0", Number(-INT, INT)),
    idle("rdb-save-incremental-fsync", "yes", Switch),
    idle("rdbchecksum", "yes", Only),
    idle("rdbcompression", "yes", Switch),
    idle("repl-backlog-size", "1048576", Size),
    idle("repl-backlog-ttl", "3600", Number(0, LONG)),
    idle("repl-diskless-sync", "yes", Switch),
    idle("repl-diskless-sync-delay", "5", Number(0, INT)),
    idle("repl-ping-replica-period", "10", Number(1, INT)),
    idle("repl-timeout", "60", Number(1, INT)),
    idle("replica-lazy-flush", "no", Switch),
    idle("replica-priority", "100", Number(0, INT)),
    idle("replica-read-only", "yes", Switch),
    idle("replica-serve-stale-data", "yes", Switch),
    idle("sanitize-dump-payload", "yes", Only),
    idle("save", "", SavePoints),
    idle("set-max-intset-entries", "512", Number(0, LONG)),
    idle("set-max-listpack-entries", "128", Number(0, LONG)),
    idle("set-max-listpack-value", "64", Size),
    idle("stop-writes-on-bgsave-error", "yes", Switch),
    idle("stream-node-max-bytes", "4096", Size),
    idle("stream-node-max-entries", "100", Number(0, LONG)),
    idle("tracking-table-max-keys", "1000000", Number(0, LONG)),
    idle("zset-max-listpack-entries", "128", Number(0, LONG)),
    idle("zset-max-listpack-value", "64", Size),
];

/// Parameters that are told of to those who ask for them by their whole name.
pub(super) const HIDDEN: [&str; 2] = ["key-load-delay", "rdb-key-save-delay"];

impl Idle {
    /// The value as it is kept.
    ///
    /// # Errors
    /// In Redis' words, when it is of another kind.
    pub(super) fn read(&self, value: &str) -> Result<String, String> {
        match self.kind {
            Switch => match value.to_ascii_lowercase().as_str() {
                yes_or_no @ ("yes" | "no") => Ok(yes_or_no.to_owned()),
                _ => Err("argument must be 'yes' or 'no'".to_owned()),
            },
            Number(least, most) => whole(value, least, most).map(|number| number.to_string()),
            Size => memory(value, 0).map(|bytes| bytes.to_string()),
            SizeOrPercent => match value.strip_suffix('%') {
                Some(percent) => match percent.parse::<u64>() {
                    Ok(0..=100) => Ok(value.to_owned()),
                    Ok(_) => Err("percentage argument must be less or equal to 100".to_owned()),
                    Err(_) => Err("argument must be a memory or percent value".to_owned()),
                },
                None => match parse_size(value.as_bytes()) {
                    Some(bytes) => Ok(bytes.to_string()),
                    None => Err("argument must be a memory or percent value".to_owned()),
                },
            },
            OneOf(words) => match words.iter().find(|word| value.eq_ignore_ascii_case(word)) {
                Some(word) => Ok((*word).to_owned()),
                None => {
                    Err(format!("argument(s) must be one of the following: {}", words.join(", ")))
                }
            },
            SavePoints => {
                let words: Vec<_> = value.split_ascii_whitespace().collect();
                let seconds =
                    words.iter().step_by(2).all(|word| word.parse().is_ok_and(|n: u32| n > 0));
                let changes =
                    words.iter().skip(1).step_by(2).all(|word| word.parse::<u32>().is_ok());
                if seconds && changes && words.len().is_multiple_of(2) {
                    Ok(words.join(" "))
                } else {
                    Err("Invalid save parameters".to_owned())
                }
            }
            Only if value == self.default => Ok(value.to_owned()),
            Only => Err("this is not to be had here; see docs/server.md".to_owned()),
        }
    }
}

/// A whole number within bounds.
///
/// # Errors
/// In Redis' words.
pub(super) fn whole(value: &str, least: i64, most: i64) -> Result<i64, String> {
    let number: i64 =
        value.parse().map_err(|_| "argument couldn't be parsed into an integer".to_owned())?;
    if (least..=most).contains(&number) {
        return Ok(number);
    }
    Err(format!("argument must be between {least} and {most} inclusive"))
}

/// Bytes, at least so many.
///
/// # Errors
/// In Redis' words.
pub(super) fn memory(value: &str, least: usize) -> Result<usize, String> {
    let size = parse_size(value.as_bytes()).and_then(|size| usize::try_from(size).ok());
    let size = size.ok_or_else(|| "argument must be a memory value".to_owned())?;
    if size < least {
        return Err(format!("argument must be between {least} and {} inclusive", i64::MAX));
    }
    Ok(size)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(name: &str, value: &str) -> Result<String, String> {
        IDLE.iter().find(|idle| idle.name == name).unwrap().read(value)
    }

    #[test]
    fn a_default_is_of_its_own_kind() {
        for idle in IDLE {
            assert_eq!(idle.read(idle.default).as_deref(), Ok(idle.default), "{}", idle.name);
        }
    }

    #[test]
    fn values_of_another_kind_are_refused_in_redis_words() {
        for (name, value, problem) in [
            ("activerehashing", "maybe", "argument must be 'yes' or 'no'"),
            ("hz", "0", "argument must be between 1 and 500 inclusive"),
            ("hz", "x", "argument couldn't be parsed into an integer"),
            ("repl-backlog-size", "big", "argument must be a memory value"),
            ("maxmemory-clients", "200%", "percentage argument must be less or equal to 100"),
            ("save", "60", "Invalid save parameters"),
            (
                "loglevel",
                "loud",
                "argument(s) must be one of the following: debug, verbose, notice, warning",
            ),
        ] {
            assert_eq!(read(name, value), Err(problem.to_owned()), "{name}");
        }
        assert_eq!(read("repl-backlog-size", "2mb").as_deref(), Ok("2097152"));
        assert_eq!(read("save", " 3000  5 ").as_deref(), Ok("3000 5"));
        assert!(read("notify-keyspace-events", "KEA").is_err());
    }
}
