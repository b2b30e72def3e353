//! `LCS`: the longest common subsequence of two strings.

use bytes::Bytes;
use tuckbox_resp::{Command, ErrorReply, Reply};

use super::{STRING_BYTES_MAX, string};
use crate::commands::{
    Context, SYNTAX,
    arguments::{integer, is},
};

const NOT_STRINGS: &str = "ERR The specified keys must contain string values";
const LEN_AND_IDX: &str = "ERR If you want both the length and indexes, please just use IDX.";
const TOO_LARGE: &str =
    "ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len";

/// What `LCS` is told besides the keys.
#[derive(Debug, Default)]
struct Options {
    len: bool,
    idx: bool,
    match_bytes_min: i64,
    with_match_len: bool,
}

impl Options {
    fn parse(command: &Command) -> Result<Self, ErrorReply> {
        let mut options = Self::default();
        let mut args = command.iter_from(3);
        while let Some(arg) = args.next() {
            if is(arg, "IDX") {
                options.idx = true;
            } else if is(arg, "LEN") {
                options.len = true;
            } else if is(arg, "WITHMATCHLEN") {
                options.with_match_len = true;
            } else if is(arg, "MINMATCHLEN") {
                options.match_bytes_min = integer(args.next().ok_or(SYNTAX)?)?;
            } else {
                return Err(SYNTAX.into());
            }
        }
        if options.idx && options.len {
            return Err(LEN_AND_IDX.into());
        }
        Ok(options)
    }
}

pub(super) fn lcs(ctx: &mut Context<'_>, command: &Command) -> Result<Reply, ErrorReply> {
    let mut read = |key| {
        let value = ctx.get(key).map(string).transpose().map_err(|_| NOT_STRINGS)?;
        Ok::<_, ErrorReply>(value.map_or_else(Bytes::new, |string| string.to_bytes()))
    };
    let (a, b) = (read(&command[1])?, read(&command[2])?);
    let options = Options::parse(command)?;
    // The table that Redis makes has a number of four bytes for every pair of
    // bytes; the one made here is smaller, but holds up commands too.
    if (a.len() + 1).saturating_mul(b.len() + 1).saturating_mul(4) > STRING_BYTES_MAX {
        return Err(TOO_LARGE.into());
    }
    if options.len {
        return Ok(Reply::Integer(i64::from(Table::new(&a, &b, false).len)));
    }
    let table = Table::new(&a, &b, true);
    let runs = table.runs(&a, &b);
    if !options.idx {
        let mut common = Vec::with_capacity(table.len as usize);
        for run in runs.iter().rev() {
            common.extend_from_slice(&a[run.a..run.a + run.len]);
        }
        return Ok(Reply::Bulk(common.into()));
    }
    let matches = runs.iter().filter(|run| run.len as i64 >= options.match_bytes_min);
    let matches = matches.map(|run| run.reply(options.with_match_len)).collect();
    Ok(Reply::Map(vec![
        (Reply::bulk(b"matches"), Reply::Array(matches)),
        (Reply::bulk(b"len"), Reply::Integer(i64::from(table.len))),
    ]))
}

/// Bytes that follow each other in both strings.
#[derive(Debug)]
struct Run {
    /// Where it begins in the first string.
    a: usize,
    /// Where it begins in the second string.
    b: usize,
    len: usize,
}

impl Run {
    fn reply(&self, with_len: bool) -> Reply {
        let range = |start: usize| {
            let last = start + self.len - 1;
            Reply::Array(vec![Reply::Integer(start as i64), Reply::Integer(last as i64)])
        };
        let mut reply = vec![range(self.a), range(self.b)];
        if with_len {
            reply.push(Reply::Integer(self.len as i64));
        }
        Reply::Array(reply)
    }
}

/// The lengths of the longest common subsequences of all beginnings of two
/// strings `a` and `b`.
///
/// Going through `b`, the length grows by nothing or one, so a row (one
/// beginning of `a`, all of `b`) is a string of bits, and a row is made of the
/// one before it 64 bits at a time: Hyyrö, "Bit-parallel LCS-length
/// computation revisited" (2004).
#[derive(Debug)]
struct Table {
    /// The length for all of both strings.
    len: u32,
    /// A bit per byte of `b` for each byte of `a`: clear where the length
    /// grows.
    rows: Vec<u8>,
    /// Bytes in a row.
    stride: usize,
}

impl Table {
    /// The table, or without `keep` just the length.
    fn new(a: &[u8], b: &[u8], keep: bool) -> Self {
        let stride = b.len().div_ceil(8);
        let masks = Masks::new(a, b);
        let mut rows = Vec::with_capacity(if keep { stride * a.len() } else { 0 });
        let mut row = vec![u64::MAX; masks.words];
        for &byte in a {
            let mut carry = false;
            for (word, mask) in row.iter_mut().zip(masks.of(byte)) {
                let sum;
                (sum, carry) = word.carrying_add(*word & mask, carry);
                *word = sum | (*word & !mask);
            }
            if keep {
                let end = rows.len() + stride;
                rows.extend(row.iter().flat_map(|word| word.to_le_bytes()));
                rows.truncate(end);
            }
        }
        Self { len: row.iter().map(|word| word.count_zeros()).sum(), rows, stride }
    }

    /// Whether the length for the first `i` bytes of `a` is larger for the
    /// first `j` bytes of `b` than for one byte less.
    fn grows(&self, i: usize, j: usize) -> bool {
        self.rows[(i - 1) * self.stride + (j - 1) / 8] >> ((j - 1) % 8) & 1 == 0
    }

    /// The common subsequence that Redis finds, last run first.
    fn runs(&self, a: &[u8], b: &[u8]) -> Vec<Run> {
        let mut runs: Vec<Run> = Vec::new();
        let (mut i, mut j) = (a.len(), b.len());
        while i > 0 && j > 0 {
            if a[i - 1] != b[j - 1] {
                // Where both ways are as long, Redis leaves out a byte of b.
                if self.grows(i, j) {
                    i -= 1;
                } else {
                    j -= 1;
                }
                continue;
            }
            (i, j) = (i - 1, j - 1);
            match runs.last_mut() {
                Some(run) if (run.a, run.b) == (i + 1, j + 1) => {
                    *run = Run { a: i, b: j, len: run.len + 1 };
                }
                _ => runs.push(Run { a: i, b: j, len: 1 }),
            }
        }
        runs
    }
}

/// Where in `b` each of the bytes of `a` is.
#[derive(Debug)]
struct Masks {
    /// 64-bit words in a mask.
    words: usize,
    /// One mask behind the other.
    bits: Vec<u64>,
    /// The number of each byte's mask.
    numbers: [u16; 256],
}

impl Masks {
    fn new(a: &[u8], b: &[u8]) -> Self {
        const NONE: u16 = u16::MAX;
        let words = b.len().div_ceil(64);
        let mut numbers = [NONE; 256];
        let mut count = 0;
        for &byte in a {
            let number = &mut numbers[usize::from(byte)];
            if *number == NONE {
                *number = count;
                count += 1;
            }
        }
        let mut bits = vec![0; usize::from(count) * words];
        for (place, &byte) in b.iter().enumerate() {
            let number = numbers[usize::from(byte)];
            if number != NONE {
                bits[usize::from(number) * words + place / 64] |= 1 << (place % 64);
            }
        }
        Self { words, bits, numbers }
    }

    /// The mask of a byte that `a` has.
    fn of(&self, byte: u8) -> &[u64] {
        let start = usize::from(self.numbers[usize::from(byte)]) * self.words;
        &self.bits[start..start + self.words]
    }
}
