//! [`Entry`]: what a segment holds of one key.

use super::super::{Value, key::Key};

/// The entry may be in the store; see [`Entry::is_in_store`].
const IN_STORE: u32 = 1;

/// The entry was used; see [`Entry::take_recent`].
const RECENT: u32 = 2;

/// Epochs lie above the marks: 30 bits, which are a checkpoint each second for
/// 34 years.
const EPOCH_SHIFT: u32 = 2;

/// What a segment holds of one key. 64 bytes, which is a cache line.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(in super::super) key: Key,
    /// `None`: deleted, and the store does not know it yet.
    pub(in super::super) value: Option<Value>,
    /// Unix time in milliseconds; 0 means never.
    pub(in super::super) expire_at: u64,
    /// The lower half of a version.
    version: u32,
    /// An epoch and two marks.
    marks: u32,
}

impl Entry {
    /// A key without a value that the store has nothing of.
    pub(in super::super) fn new(key: &[u8]) -> Self {
        Self { key: key.into(), value: None, expire_at: 0, version: 0, marks: RECENT }
    }

    /// A key as it was read from the store.
    pub(in super::super) fn stored(key: &[u8], value: Value, expire_at: u64) -> Self {
        let marks = RECENT | IN_STORE;
        Self { key: key.into(), value: Some(value), expire_at, version: 0, marks }
    }

    /// Whether the key's time has come.
    pub(in super::super) fn is_expired(&self, now: u64) -> bool {
        self.expire_at != 0 && self.expire_at <= now
    }

    /// Bytes this entry takes besides its place in the segment, roughly: the
    /// value's allocation, and the key's if it is long.
    pub(in super::super) fn memory(&self) -> usize {
        self.key.memory() + self.value.as_ref().map_or(0, Value::memory)
    }

    /// The keyspace's version when the key last changed; `latest` is that of the
    /// latest change of any of its keys.
    ///
    /// Of a change that lies 2^32 versions back it may be a later one. A reader
    /// then waits for more than it has seen, and never for less.
    pub(in super::super) fn version(&self, latest: u64) -> u64 {
        latest.saturating_sub(u64::from((latest as u32).wrapping_sub(self.version)))
    }

    /// The checkpoint epoch in which the key last changed. The store has this
    /// very state when the epoch is committed.
    pub(in super::super) fn epoch(&self) -> u32 {
        self.marks >> EPOCH_SHIFT
    }

    /// Notes when the key changed.
    pub(in super::super) fn set_changed(&mut self, version: u64, epoch: u32) {
        self.version = version as u32;
        self.marks = (self.marks & (IN_STORE | RECENT)) | (epoch << EPOCH_SHIFT);
    }

    /// Whether the store may hold a record of this key.
    pub(in super::super) fn is_in_store(&self) -> bool {
        self.marks & IN_STORE != 0
    }

    /// Notes that the store gets a record of this key.
    pub(in super::super) fn set_in_store(&mut self) {
        self.marks |= IN_STORE;
    }

    /// Notes that the key was used. Written only when it says something new: a
    /// read then leaves the line clean.
    pub(in super::super) fn set_recent(&mut self) {
        if self.marks & RECENT == 0 {
            self.marks |= RECENT;
        }
    }

    /// Whether it was used since this was last asked.
    pub(in super::super) fn take_recent(&mut self) -> bool {
        let recent = self.marks & RECENT != 0;
        self.marks &= !RECENT;
        recent
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_a_cache_line() {
        assert_eq!(size_of::<Entry>(), 64);
        assert_eq!(size_of::<Option<Entry>>(), 64);
    }

    #[test]
    fn marks_and_epochs_do_not_touch_each_other() {
        let mut entry = Entry::new(b"key");
        assert!(!entry.is_in_store());
        entry.set_changed(1, 7);
        assert!(entry.take_recent() && !entry.take_recent());
        entry.set_in_store();
        entry.set_recent();
        entry.set_changed(2, (1 << 30) - 1);
        assert_eq!(entry.epoch(), (1 << 30) - 1);
        assert!(entry.is_in_store() && entry.take_recent());
        assert_eq!(entry.epoch(), (1 << 30) - 1);
    }

    #[test]
    fn a_version_is_never_taken_for_an_earlier_one() {
        const TURN: u64 = 1 << 32;
        let mut entry = Entry::new(b"key");
        assert_eq!(entry.version(5), 0);
        for version in [0, 1, TURN - 1, TURN, TURN + 1, TURN * 7 + 12] {
            entry.set_changed(version, 1);
            for later in [0, 1, 1_000_000, TURN - 1] {
                assert_eq!(entry.version(version + later), version, "{version} {later}");
            }
            let long_after = version + TURN * 3;
            assert!((version..=long_after).contains(&entry.version(long_after)));
        }
    }
}
