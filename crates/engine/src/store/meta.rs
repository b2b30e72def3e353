//! What the store remembers of each database besides its records.

use std::fmt;

/// A database at its last checkpoint.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct DatabaseMeta {
    /// The logical number, as in SELECT.
    pub(crate) index: u32,
    /// The id its records lie under. A flush takes a new one.
    pub(crate) keyspace: u32,
    /// The position of the log that the records stand for.
    pub(crate) position: u64,
    /// The number of records in the keyspace.
    pub(crate) keys: u64,
    /// The identity that the next value in parts gets.
    pub(crate) next_value: u64,
    /// The seed of the hash of its keys. Secret: who knows it can choose keys that collide.
    pub(crate) seed: [u8; 16],
}

/// Without the seed.
impl fmt::Debug for DatabaseMeta {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DatabaseMeta")
            .field("index", &self.index)
            .field("keyspace", &self.keyspace)
            .field("position", &self.position)
            .field("keys", &self.keys)
            .field("next_value", &self.next_value)
            .finish_non_exhaustive()
    }
}

impl DatabaseMeta {
    const BYTES: usize = 48;

    /// Little-endian: checksum `u32`, keyspace, position, keys, next value, seed. The checksum covers the index too.
    pub(super) fn to_bytes(self) -> [u8; DatabaseMeta::BYTES] {
        let mut bytes = [0; DatabaseMeta::BYTES];
        bytes[4..8].copy_from_slice(&self.keyspace.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.position.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.keys.to_le_bytes());
        bytes[24..32].copy_from_slice(&self.next_value.to_le_bytes());
        bytes[32..].copy_from_slice(&self.seed);
        let checksum = checksum(self.index, &bytes[4..]);
        bytes[..4].copy_from_slice(&checksum.to_le_bytes());
        bytes
    }

    /// None: damaged.
    pub(super) fn from_bytes(index: u32, bytes: &[u8]) -> Option<DatabaseMeta> {
        let (written, rest) = bytes.split_first_chunk::<4>()?;
        if u32::from_le_bytes(*written) != checksum(index, rest) {
            return None;
        }
        let (keyspace, rest) = rest.split_first_chunk::<4>()?;
        let (position, rest) = rest.split_first_chunk::<8>()?;
        let (keys, rest) = rest.split_first_chunk::<8>()?;
        let (next_value, seed) = rest.split_first_chunk::<8>()?;
        Some(DatabaseMeta {
            index,
            keyspace: u32::from_le_bytes(*keyspace),
            position: u64::from_le_bytes(*position),
            keys: u64::from_le_bytes(*keys),
            next_value: u64::from_le_bytes(*next_value),
            seed: seed.try_into().ok()?,
        })
    }
}

pub(super) fn checksum(index: u32, rest: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&index.to_be_bytes());
    hasher.update(rest);
    hasher.finalize()
}
