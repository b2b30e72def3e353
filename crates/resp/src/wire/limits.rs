//! [`Limits`]: how much a peer may ask a parser to hold.

/// The longest and deepest input a parser takes.
///
/// A parser never allocates more than a small constant ahead of the bytes that
/// have come in, so what these bound is what a peer can make us hold by sending.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of one bulk string; Redis calls it `proto-max-bulk-len`.
    pub bulk_len: usize,
    /// Arguments of one request, or elements of one array, set or map (there a
    /// pair counts once) of a reply.
    pub args: usize,
    /// Bytes of one line: an inline request, a status, or a length.
    pub inline_len: usize,
    /// Bytes of one whole request or reply. A request takes at most 4 GiB - 1
    /// even if this says more.
    pub total_len: usize,
    /// Arrays within arrays in a reply.
    pub depth: usize,
}

impl Limits {
    /// For what clients send: Redis' own limits (512 MiB, 64 KiB, 1 GiB), with
    /// a million arguments.
    pub const REQUEST: Self = Self {
        bulk_len: 512 << 20,
        args: 1 << 20,
        inline_len: 64 << 10,
        total_len: 1 << 30,
        depth: 128,
    };

    /// For what a server answers, which a client trusts more: a hash may have
    /// more fields than a request may have arguments.
    pub const REPLY: Self = Self { args: i32::MAX as usize, total_len: 4 << 30, ..Self::REQUEST };
}
