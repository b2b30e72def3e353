//! [`Categories`]: the names by which access rules speak of many commands.

use std::fmt;

use super::flags::{Flags, word_bits};

/// A set of Redis' access categories.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Categories(u32);

/// The words of `ACL CAT`, in its order, each at the place of its bit.
const NAMES: [&str; 21] = [
    "keyspace",
    "read",
    "write",
    "set",
    "sortedset",
    "list",
    "hash",
    "string",
    "bitmap",
    "hyperloglog",
    "geo",
    "stream",
    "pubsub",
    "admin",
    "fast",
    "slow",
    "blocking",
    "dangerous",
    "connection",
    "transaction",
    "scripting",
];

impl Categories {
    /// No category.
    pub const NONE: Self = Self(0);

    /// The category called `name`, without the `@`, in any case.
    #[must_use]
    pub fn by_name(name: &[u8]) -> Option<Self> {
        let bit = NAMES.iter().position(|n| n.as_bytes().eq_ignore_ascii_case(name))?;
        Some(Self(1 << bit))
    }

    /// Every category there is, in the order of `ACL CAT`.
    pub fn all_names() -> impl Iterator<Item = &'static str> {
        NAMES.into_iter()
    }

    /// Whether all of `other`'s categories are in here.
    #[must_use]
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// The words without the `@`: `read`, `string`, `fast`.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        NAMES.iter().enumerate().filter(move |(bit, _)| self.0 & (1 << bit) != 0).map(|(_, n)| *n)
    }

    /// These categories and those that Redis derives from a command's flags.
    pub(super) const fn with_implied(self, flags: Flags) -> Self {
        let mut bits = self.0;
        if flags.contains(Flags::WRITE) {
            bits |= categories("write").0;
        }
        // A script that only reads is no @read command: what it may do is
        // decided by the commands it calls.
        if flags.contains(Flags::READONLY) && !self.contains(categories("scripting")) {
            bits |= categories("read").0;
        }
        if flags.contains(Flags::ADMIN) {
            bits |= categories("admin dangerous").0;
        }
        if flags.contains(Flags::PUBSUB) {
            bits |= categories("pubsub").0;
        }
        if flags.contains(Flags::BLOCKING) {
            bits |= categories("blocking").0;
        }
        bits |=
            if flags.contains(Flags::FAST) { categories("fast").0 } else { categories("slow").0 };
        Self(bits)
    }
}

impl fmt::Debug for Categories {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.names()).finish()
    }
}

/// The categories named in `words`; an unknown word stops the build.
pub(super) const fn categories(words: &str) -> Categories {
    Categories(word_bits(words, &NAMES))
}
