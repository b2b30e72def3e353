//! [`Command`]: a name and its arguments in one shared buffer.

use std::fmt;

use bytes::{BufMut, Bytes, BytesMut};
use smallvec::SmallVec;

/// Where one argument lies in the command's buffer.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) start: u32,
    pub(crate) end: u32,
}

/// The places of a command's arguments; most commands have no more than these.
pub(crate) type Spans = SmallVec<[Span; 8]>;

/// A command: its name and byte arguments, cheap to clone.
///
/// All arguments lie in one shared buffer, so a command that was parsed from
/// the wire copies nothing and cloning one is a reference count.
///
/// `Debug` shows the name and the number of arguments only: arguments can be
/// session ids or passwords and must not reach a log.
#[derive(Clone)]
pub struct Command {
    buf: Bytes,
    args: Spans,
}

impl Command {
    /// Starts a command called `name`.
    #[must_use]
    #[expect(clippy::new_ret_no_self, reason = "a command is complete only once built")]
    pub fn new(name: impl Arg) -> CommandBuilder {
        CommandBuilder { buf: BytesMut::with_capacity(64), args: SmallVec::new() }.arg(name)
    }

    /// A command over arguments that already lie in `buf`, each a byte range.
    ///
    /// # Errors
    /// `None` when there is no argument, when a range does not lie in `buf`, or
    /// when `buf` is longer than `u32::MAX` bytes.
    #[must_use]
    pub fn from_ranges(
        buf: Bytes,
        ranges: impl IntoIterator<Item = std::ops::Range<usize>>,
    ) -> Option<Self> {
        let mut args = SmallVec::new();
        for range in ranges {
            buf.get(range.clone())?;
            args.push(Span {
                start: u32::try_from(range.start).ok()?,
                end: u32::try_from(range.end).ok()?,
            });
        }
        (!args.is_empty()).then_some(Self { buf, args })
    }

    /// A command over spans the caller has found in `buf`: ordered, within it,
    /// at least one.
    #[inline]
    pub(crate) fn from_spans(buf: Bytes, args: Spans) -> Self {
        debug_assert!(args.iter().all(|span| span.start <= span.end));
        debug_assert!(args.last().is_some_and(|span| span.end as usize <= buf.len()));
        Self { buf, args }
    }

    /// The name as it was sent: any case.
    #[must_use]
    pub fn name(&self) -> &[u8] {
        &self[0]
    }

    /// Name and arguments together; never zero.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "a command has at least its name")]
    pub fn len(&self) -> usize {
        self.args.len()
    }

    /// Argument `index`; the name is number 0.
    #[must_use]
    pub fn get(&self, index: usize) -> Option<&[u8]> {
        let span = self.args.get(index)?;
        self.buf.get(span.start as usize..span.end as usize)
    }

    /// Argument `index` as shared bytes, without copying it.
    #[must_use]
    pub fn bytes(&self, index: usize) -> Option<Bytes> {
        let span = self.args.get(index)?;
        Some(self.buf.slice(span.start as usize..span.end as usize))
    }

    /// Name and arguments in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &[u8]> + DoubleEndedIterator + Clone {
        self.args.iter().map(|span| &self.buf[span.start as usize..span.end as usize])
    }

    /// The arguments from number `index` on.
    pub fn iter_from(
        &self,
        index: usize,
    ) -> impl ExactSizeIterator<Item = &[u8]> + DoubleEndedIterator + Clone {
        let args = self.args.get(index..).unwrap_or_default();
        args.iter().map(|span| &self.buf[span.start as usize..span.end as usize])
    }
}

impl std::ops::Index<usize> for Command {
    type Output = [u8];

    /// # Panics
    /// When there is no argument `index`; [`Command::get`] does not.
    fn index(&self, index: usize) -> &[u8] {
        let span = self.args[index];
        &self.buf[span.start as usize..span.end as usize]
    }
}

impl PartialEq for Command {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for Command {}

impl fmt::Debug for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Command({} +{} args)", self.name().escape_ascii(), self.len() - 1)
    }
}

/// Collects a command's arguments; see [`Command::new`] and [`cmd!`](crate::cmd).
#[derive(Clone)]
pub struct CommandBuilder {
    buf: BytesMut,
    args: Spans,
}

impl CommandBuilder {
    /// Adds one argument.
    #[must_use]
    pub fn arg(mut self, arg: impl Arg) -> Self {
        self.push(arg);
        self
    }

    /// Adds one argument in place, for loops.
    ///
    /// # Panics
    /// When the arguments together pass 4 GiB, eight times what Redis allows.
    pub fn push(&mut self, arg: impl Arg) {
        let start = self.buf.len();
        arg.write(&mut self.buf);
        assert!(u32::try_from(self.buf.len()).is_ok(), "a command holds less than 4 GiB");
        self.args.push(Span { start: start as u32, end: self.buf.len() as u32 });
    }

    /// The finished command.
    #[must_use]
    pub fn build(self) -> Command {
        Command { buf: self.buf.freeze(), args: self.args }
    }
}

impl fmt::Debug for CommandBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CommandBuilder({} args)", self.args.len())
    }
}

/// Something that can be an argument of a [`Command`].
///
/// Text and bytes go as they are, numbers in decimal.
pub trait Arg {
    /// Appends the argument's bytes to `buf`.
    fn write(&self, buf: &mut BytesMut);
}

impl<T: Arg + ?Sized> Arg for &T {
    fn write(&self, buf: &mut BytesMut) {
        (**self).write(buf);
    }
}

macro_rules! arg_by_bytes {
    ($($type:ty),*) => {$(
        impl Arg for $type {
            fn write(&self, buf: &mut BytesMut) {
                let bytes: &[u8] = self.as_ref();
                buf.put_slice(bytes);
            }
        }
    )*};
}
arg_by_bytes!(str, String, [u8], Vec<u8>, Bytes);

impl<const N: usize> Arg for [u8; N] {
    fn write(&self, buf: &mut BytesMut) {
        buf.put_slice(self);
    }
}

macro_rules! arg_by_decimal {
    ($($type:ty),*) => {$(
        impl Arg for $type {
            fn write(&self, buf: &mut BytesMut) {
                buf.put_slice(itoa::Buffer::new().format(*self).as_bytes());
            }
        }
    )*};
}
arg_by_decimal!(i32, i64, u32, u64, usize);

impl Arg for f64 {
    fn write(&self, buf: &mut BytesMut) {
        crate::wire::write_double(*self, buf);
    }
}

/// Builds a [`Command`] from its name and arguments, each an [`Arg`].
///
/// ```
/// use tuckbox_resp::cmd;
/// let command = cmd!("HSET", "lessons:ada", b"123", 7);
/// assert_eq!(command.get(3), Some(&b"7"[..]));
/// ```
#[macro_export]
macro_rules! cmd {
    ($name:expr $(, $arg:expr)* $(,)?) => {
        $crate::Command::new($name)$(.arg($arg))*.build()
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_kept_in_order_and_found_by_number() {
        let command = cmd!("SET", "key", vec![0u8, 255], 42, -1i64);
        let args: Vec<&[u8]> = command.iter().collect();
        assert_eq!(args, [&b"SET"[..], b"key", &[0, 255], b"42", b"-1"]);
        assert_eq!(command.get(5), None);
        assert_eq!(command.iter_from(3).count(), 2);
        assert_eq!(command.iter_from(9).count(), 0);
    }

    #[test]
    fn ranges_outside_the_buffer_make_no_command() {
        let buf = Bytes::from_static(b"GETkey");
        let command = Command::from_ranges(buf.clone(), [0..3, 3..6]).unwrap();
        assert_eq!(command, cmd!("GET", "key"));
        assert!(Command::from_ranges(buf.clone(), [0..3, 3..7]).is_none());
        assert!(Command::from_ranges(buf, []).is_none());
    }

    #[test]
    fn debug_hides_arguments() {
        let shown = format!("{:?}", cmd!("AUTH", "secret"));
        assert_eq!(shown, "Command(AUTH +1 args)");
    }
}
