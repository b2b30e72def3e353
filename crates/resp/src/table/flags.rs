//! [`Flags`]: what a command does and when it may run.

use std::fmt;

/// A set of Redis' command flags.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Flags(u32);

/// The words for flags, each at the place of its bit.
const NAMES: [&str; 21] = [
    "write",
    "readonly",
    "denyoom",
    "admin",
    "pubsub",
    "noscript",
    "blocking",
    "loading",
    "stale",
    "skip_monitor",
    "skip_slowlog",
    "asking",
    "fast",
    "no_auth",
    "no_mandatory_keys",
    "no_async_loading",
    "no_multi",
    "movablekeys",
    "allow_busy",
    "may_replicate",
    "touches_arbitrary_keys",
];

/// How many of them `COMMAND` shows: it keeps the last ones to itself.
const SHOWN: usize = 19;

impl Flags {
    /// No flag.
    pub const NONE: Self = Self(0);
    /// May change data.
    pub const WRITE: Self = Self(1);
    /// Reads data and never changes it.
    pub const READONLY: Self = Self(1 << 1);
    /// May need more memory: refused when there is none left.
    pub const DENYOOM: Self = Self(1 << 2);
    /// For administrators.
    pub const ADMIN: Self = Self(1 << 3);
    /// About channels.
    pub const PUBSUB: Self = Self(1 << 4);
    /// Not for scripts.
    pub const NOSCRIPT: Self = Self(1 << 5);
    /// May wait before it answers.
    pub const BLOCKING: Self = Self(1 << 6);
    /// Runs while the data is still being loaded.
    pub const LOADING: Self = Self(1 << 7);
    /// Runs on a replica that lost its primary.
    pub const STALE: Self = Self(1 << 8);
    /// Not shown to `MONITOR`.
    pub const SKIP_MONITOR: Self = Self(1 << 9);
    /// Not noted in the slow log.
    pub const SKIP_SLOWLOG: Self = Self(1 << 10);
    /// Runs on a slot that is being imported.
    pub const ASKING: Self = Self(1 << 11);
    /// Takes constant or logarithmic time.
    pub const FAST: Self = Self(1 << 12);
    /// Needs no login.
    pub const NO_AUTH: Self = Self(1 << 13);
    /// Takes keys, but also runs with none.
    pub const NO_MANDATORY_KEYS: Self = Self(1 << 14);
    /// Not while a replica loads data beside its old data.
    pub const NO_ASYNC_LOADING: Self = Self(1 << 15);
    /// Not inside `MULTI`.
    pub const NO_MULTI: Self = Self(1 << 16);
    /// First, last and step do not tell all keys: ask [`CommandSpec::keys`].
    ///
    /// [`CommandSpec::keys`]: super::CommandSpec::keys
    pub const MOVABLEKEYS: Self = Self(1 << 17);
    /// Runs while a script holds the server.
    pub const ALLOW_BUSY: Self = Self(1 << 18);
    /// May have effects to replicate though it is no write by itself.
    pub const MAY_REPLICATE: Self = Self(1 << 19);
    /// Works on keys that its arguments do not name.
    pub const TOUCHES_ARBITRARY_KEYS: Self = Self(1 << 20);

    /// Whether all of `other`'s flags are set here.
    #[must_use]
    #[inline]
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether any of `other`'s flags is set here.
    #[must_use]
    #[inline]
    pub const fn intersects(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// These flags and `other`'s.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// The words `COMMAND` answers: `write`, `denyoom`, …
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        NAMES[..SHOWN]
            .iter()
            .enumerate()
            .filter(move |(bit, _)| self.0 & (1 << bit) != 0)
            .map(|(_, n)| *n)
    }
}

impl fmt::Debug for Flags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.names()).finish()
    }
}

/// The flags named in `words`; an unknown word stops the build.
pub(super) const fn flags(words: &str) -> Flags {
    Flags(word_bits(words, &NAMES))
}

/// One bit for each of `words` (separated by spaces) at its place in `names`.
#[expect(clippy::panic, reason = "runs at compile time only")]
pub(super) const fn word_bits(words: &str, names: &[&str]) -> u32 {
    let words = words.as_bytes();
    let mut bits = 0;
    let mut start = 0;
    while start < words.len() {
        let mut end = start;
        while end < words.len() && words[end] != b' ' {
            end += 1;
        }
        let mut bit = 0;
        loop {
            if bit == names.len() {
                panic!("the table names a flag or category that does not exist");
            }
            if is_at(names[bit].as_bytes(), words, start, end) {
                break;
            }
            bit += 1;
        }
        bits |= 1 << bit;
        start = end + 1;
    }
    bits
}

const fn is_at(name: &[u8], words: &[u8], start: usize, end: usize) -> bool {
    if name.len() != end - start {
        return false;
    }
    let mut i = 0;
    while i < name.len() {
        if name[i] != words[start + i] {
            return false;
        }
        i += 1;
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_constants_name_the_same_bits() {
        assert_eq!(flags("write denyoom fast"), {
            Flags::WRITE.union(Flags::DENYOOM).union(Flags::FAST)
        });
        assert_eq!(flags("no_async_loading"), Flags::NO_ASYNC_LOADING);
        assert_eq!(
            flags("movablekeys no_auth").names().collect::<Vec<_>>(),
            ["no_auth", "movablekeys"]
        );
        assert_eq!(flags(""), Flags::NONE);
    }
}
