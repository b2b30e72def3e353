//! The format of a batch: what one turn of the writer puts on the disk.
//!
//! A segment is a header (see [`segment`](super::segment)) followed by batches
//! without gaps. A batch is a header of 56 bytes and a payload. All numbers are
//! little endian.
//!
//! ```text
//!  0  identity     u64  random, the same in the whole log
//!  8  crc          u32  CRC-32 (IEEE) of bytes 12.. of the batch, payload included
//! 12  kind         u32  1 data, 2 open, 3 close
//! 16  payload      u64  bytes after this header
//! 24  frames       u64  how many are in the payload; 0 unless data
//! 32  generation   u64  grows with every opening of the log
//! 40  first        u64  position of the first frame (open, close: of the next)
//! 48  synced_upto  u64  last position known to be synced when this was written
//! 56  payload           per frame: its length (LEB128), its bytes
//! ```
//!
//! After the last batch come at least 56 zero bytes, up to a multiple of 4096:
//! a write covers whole pages, so that the kernel never reads one first, and
//! what a recycled file holds right behind the log's end is always blank.
//!
//! The identity is what makes a batch a batch. Frames hold bytes chosen by
//! clients; whoever does not know the identity cannot write a value that would
//! be taken for a batch when it is met in a recycled file or a torn one.

use super::Position;

/// Bytes before the payload.
pub(crate) const HEADER_BYTES: usize = 56;

/// Where the checksummed part of the header starts.
const CHECKED_FROM: usize = 12;

/// What a batch is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Frames.
    Data,
    /// The log was opened: everything before was synced, a generation starts.
    Open,
    /// The log was closed: everything before was synced.
    Close,
}

/// A decoded header. It promises nothing about the payload before the checksum
/// was compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BatchHeader {
    pub(crate) kind: Kind,
    pub(crate) payload_bytes: u64,
    pub(crate) frames: u64,
    pub(crate) generation: u64,
    pub(crate) first: Position,
    pub(crate) synced_upto: Position,
}

impl BatchHeader {
    /// The last position in this batch; `first - 1` when it holds no frame.
    pub(crate) fn last(&self) -> Position {
        self.first.saturating_add(self.frames).saturating_sub(1)
    }

    /// Header and payload together.
    pub(crate) fn total_bytes(&self) -> u64 {
        self.payload_bytes.saturating_add(HEADER_BYTES as u64)
    }

    /// Writes this header over the first 56 bytes of `batch`, whose payload is
    /// complete.
    pub(crate) fn seal(&self, identity: u64, batch: &mut [u8]) {
        let kind: u32 = match self.kind {
            Kind::Data => 1,
            Kind::Open => 2,
            Kind::Close => 3,
        };
        put(batch, 0, &identity.to_le_bytes());
        put(batch, 12, &kind.to_le_bytes());
        put(batch, 16, &self.payload_bytes.to_le_bytes());
        put(batch, 24, &self.frames.to_le_bytes());
        put(batch, 32, &self.generation.to_le_bytes());
        put(batch, 40, &self.first.to_le_bytes());
        put(batch, 48, &self.synced_upto.to_le_bytes());
        let crc = crc32fast::hash(batch.get(CHECKED_FROM..).unwrap_or_default());
        put(batch, 8, &crc.to_le_bytes());
    }

    /// The header in `bytes` and the checksum it claims; `None` when these bytes
    /// cannot be the header of a batch of this log.
    pub(crate) fn decode(identity: u64, bytes: &[u8]) -> Option<(Self, u32)> {
        if u64_at(bytes, 0)? != identity {
            return None;
        }
        let header = Self {
            kind: match u32_at(bytes, 12)? {
                1 => Kind::Data,
                2 => Kind::Open,
                3 => Kind::Close,
                _ => return None,
            },
            payload_bytes: u64_at(bytes, 16)?,
            frames: u64_at(bytes, 24)?,
            generation: u64_at(bytes, 32)?,
            first: u64_at(bytes, 40)?,
            synced_upto: u64_at(bytes, 48)?,
        };
        // Every frame takes at least the byte of its length.
        let plausible = match header.kind {
            Kind::Data => (1..=header.payload_bytes).contains(&header.frames),
            Kind::Open | Kind::Close => header.payload_bytes == 0 && header.frames == 0,
        };
        let countable = header.first > 0 && header.first.checked_add(header.frames).is_some();
        (plausible && countable).then_some((header, u32_at(bytes, 8)?))
    }
}

/// The checksum of a batch that is read in pieces: start with its header.
pub(crate) fn checksum(header: &[u8]) -> crc32fast::Hasher {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(header.get(CHECKED_FROM..HEADER_BYTES).unwrap_or_default());
    hasher
}

/// Appends a frame to a payload.
pub(crate) fn put_frame(payload: &mut Vec<u8>, frame: &[u8]) {
    let mut length = frame.len();
    payload.reserve(frame.len() + MAX_LENGTH_BYTES);
    while length >= 0x80 {
        payload.push((length & 0x7f) as u8 | 0x80);
        length >>= 7;
    }
    payload.push(length as u8);
    payload.extend_from_slice(frame);
}

/// The longest encoding of a frame's length.
pub(crate) const MAX_LENGTH_BYTES: usize = 10;

/// A frame's length at the start of `bytes` and how many bytes it takes there.
pub(crate) fn frame_length(bytes: &[u8]) -> Option<(u64, u64)> {
    let mut length = 0u64;
    for (index, &byte) in bytes.iter().take(MAX_LENGTH_BYTES).enumerate() {
        let bits = u64::from(byte & 0x7f);
        let shift = 7 * index as u32;
        if bits.checked_shl(shift).is_none_or(|shifted| shifted >> shift != bits) {
            return None;
        }
        length |= bits << shift;
        if byte < 0x80 {
            return Some((length, index as u64 + 1));
        }
    }
    None
}

/// The number at `offset`; `None` when `bytes` is too short.
pub(crate) fn u64_at(bytes: &[u8], offset: usize) -> Option<u64> {
    Some(u64::from_le_bytes(*bytes.get(offset..)?.first_chunk()?))
}

/// The number at `offset`; `None` when `bytes` is too short.
pub(crate) fn u32_at(bytes: &[u8], offset: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*bytes.get(offset..)?.first_chunk()?))
}

/// Writes `value` at `offset`, which lies in `bytes`.
pub(crate) fn put(bytes: &mut [u8], offset: usize, value: &[u8]) {
    if let Some(place) = bytes.get_mut(offset..offset + value.len()) {
        place.copy_from_slice(value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: BatchHeader = BatchHeader {
        kind: Kind::Data,
        payload_bytes: 3,
        frames: 2,
        generation: 4,
        first: 9,
        synced_upto: 8,
    };

    #[test]
    fn a_header_is_laid_out_as_documented() {
        let mut batch = vec![0; HEADER_BYTES];
        batch.extend_from_slice(b"\x00\x01x");
        HEADER.seal(0x0102_0304_0506_0708, &mut batch);
        let mut expected = vec![8, 7, 6, 5, 4, 3, 2, 1];
        expected.extend(crc32fast::hash(&batch[12..]).to_le_bytes());
        expected.extend([1, 0, 0, 0]);
        for number in [3u64, 2, 4, 9, 8] {
            expected.extend(number.to_le_bytes());
        }
        expected.extend_from_slice(b"\x00\x01x");
        assert_eq!(batch, expected);
        let (decoded, crc) = BatchHeader::decode(0x0102_0304_0506_0708, &batch).unwrap();
        assert_eq!(decoded, HEADER);
        let mut hasher = checksum(&batch);
        hasher.update(&batch[HEADER_BYTES..]);
        assert_eq!(hasher.finalize(), crc);
    }

    #[test]
    fn a_header_of_another_log_is_not_a_header() {
        let mut batch = vec![0; HEADER_BYTES + 3];
        HEADER.seal(1, &mut batch);
        assert_eq!(BatchHeader::decode(2, &batch), None);
        assert_eq!(BatchHeader::decode(1, &batch[..HEADER_BYTES - 1]), None);
    }

    #[test]
    fn frame_lengths_survive_the_round_trip() {
        for length in [0, 1, 127, 128, 16_383, 16_384, 3_000_000] {
            let mut payload = Vec::new();
            put_frame(&mut payload, &vec![7; length]);
            let (read, prefix) = frame_length(&payload).unwrap();
            assert_eq!((read, prefix + read), (length as u64, payload.len() as u64));
        }
    }

    #[test]
    fn an_overlong_frame_length_is_refused() {
        assert_eq!(frame_length(&[0xff; 12]), None);
        assert_eq!(frame_length(&[0x80, 0x80]), None);
        assert_eq!(frame_length(&[]), None);
        let mut longest = [0xff; 10];
        longest[9] = 1;
        assert_eq!(frame_length(&longest), Some((u64::MAX, 10)));
        longest[9] = 2;
        assert_eq!(frame_length(&longest), None);
    }
}
