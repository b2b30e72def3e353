//! [`Entries`]: the entries of a segment, by position.

use super::{super::value::allocated, Entry, SPLIT_AT};

/// Entries lie in chunks of so many: pieces of memory of one size, so that what
/// one segment gives back another can take, and growing copies nothing.
const CHUNK: usize = 16;

type Chunk = [Option<Entry>; CHUNK];

/// Entries by position, without gaps; never more than [`SPLIT_AT`].
#[derive(Debug, Default)]
pub(super) struct Entries {
    len: usize,
    /// Those that are needed for so many entries. Here and not in an allocation
    /// of their own: it is one access to memory less for each command.
    chunks: [Option<Box<Chunk>>; SPLIT_AT / CHUNK],
}

impl Entries {
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Bytes of the chunks.
    pub(super) fn room(&self) -> usize {
        self.len.div_ceil(CHUNK) * allocated(size_of::<Chunk>())
    }

    /// The entry at a position below [`Entries::len`].
    pub(super) fn at(&self, position: usize) -> &Entry {
        let chunk = self.chunks.get(position / CHUNK).and_then(Option::as_deref);
        match chunk.map(|chunk| &chunk[position % CHUNK]) {
            Some(Some(entry)) => entry,
            _ => unreachable!("{NO_ENTRY}"),
        }
    }

    /// The same, to be changed.
    pub(super) fn at_mut(&mut self, position: usize) -> &mut Entry {
        let chunk = self.chunks.get_mut(position / CHUNK).and_then(Option::as_deref_mut);
        match chunk.map(|chunk| &mut chunk[position % CHUNK]) {
            Some(Some(entry)) => entry,
            _ => unreachable!("{NO_ENTRY}"),
        }
    }

    /// Adds an entry at the end.
    pub(super) fn push(&mut self, entry: Entry) {
        let Some(chunk) = self.chunks.get_mut(self.len / CHUNK) else {
            // It would have been split, unless all its keys share more bits of a hash
            // that nobody outside can compute than there are keys.
            unreachable!("a segment of more than {SPLIT_AT} keys")
        };
        let chunk = chunk.get_or_insert_with(|| Box::new([const { None }; CHUNK]));
        chunk[self.len % CHUNK] = Some(entry);
        self.len += 1;
    }

    /// Takes the entry out; the last one moves into its place.
    pub(super) fn swap_remove(&mut self, position: usize) -> Entry {
        let last = self.pop();
        if position == self.len { last } else { std::mem::replace(self.at_mut(position), last) }
    }

    fn pop(&mut self) -> Entry {
        let last = self.len - 1;
        let chunk = &mut self.chunks[last / CHUNK];
        let entry = chunk.as_mut().and_then(|chunk| chunk[last % CHUNK].take());
        if last.is_multiple_of(CHUNK) {
            *chunk = None;
        }
        self.len = last;
        match entry {
            Some(entry) => entry,
            None => unreachable!("{NO_ENTRY}"),
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Entry> {
        self.chunks.iter().flatten().flat_map(|chunk| chunk.iter().flatten())
    }

    pub(super) fn into_entries(self) -> impl Iterator<Item = Entry> {
        self.chunks.into_iter().flatten().flat_map(|chunk| chunk.into_iter().flatten())
    }
}

const NO_ENTRY: &str = "positions below the length have entries";
