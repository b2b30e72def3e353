//! [`Script`] and [`Invocation`]: Lua that runs where the data is.

use std::{borrow::Cow, fmt, fmt::Write as _, ops::Range, sync::Arc};

use bytes::{Bytes, BytesMut};
use sha1::{Digest as _, Sha1};
use smallvec::SmallVec;
use tuckbox_resp::{Arg, Command};

/// A Lua script and its SHA-1. Cheap to clone; may stand in a
/// [`LazyLock`](std::sync::LazyLock).
///
/// ```
/// use tuckbox::Script;
///
/// let add = Script::new("return redis.call('INCRBY', KEYS[1], ARGV[1])");
/// assert_eq!(add.sha().len(), 40);
/// let five_more = add.invoke().key("visits").arg(5);
/// ```
#[derive(Clone)]
pub struct Script {
    inner: Arc<Inner>,
}

struct Inner {
    source: Cow<'static, str>,
    sha: String,
}

impl Script {
    /// A script; computes its SHA-1.
    #[must_use]
    pub fn new(source: impl Into<Cow<'static, str>>) -> Self {
        let source = source.into();
        let mut sha = String::with_capacity(40);
        for byte in Sha1::digest(source.as_bytes()) {
            // Writing into a string cannot fail.
            let _ = write!(sha, "{byte:02x}");
        }
        Self { inner: Arc::new(Inner { source, sha }) }
    }

    /// The SHA-1 of the source in 40 lower-case hexadecimal digits, by which
    /// `EVALSHA` names it.
    #[must_use]
    pub fn sha(&self) -> &str {
        &self.inner.sha
    }

    /// The source.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.inner.source
    }

    /// Begins one run of the script, without keys and arguments yet.
    #[must_use]
    pub fn invoke(&self) -> Invocation {
        Invocation {
            script: self.clone(),
            words: BytesMut::new(),
            spans: SmallVec::new(),
            keys: 0,
            idempotent: false,
        }
    }
}

impl fmt::Debug for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Script({})", self.sha())
    }
}

/// One run of a [`Script`]: its keys and arguments. Made by [`Script::invoke`],
/// run by [`Db::eval`](crate::Db::eval), as often as you like.
///
/// `Debug` shows how many keys and arguments there are, not what they are.
#[derive(Clone)]
pub struct Invocation {
    script: Script,
    words: BytesMut,
    /// Where they lie in `words`: the keys, then the arguments.
    spans: SmallVec<[Range<usize>; 8]>,
    keys: usize,
    idempotent: bool,
}

impl Invocation {
    /// Adds a key: `KEYS[1]`, `KEYS[2]`, … in the order of calls. A script must
    /// be told every key it uses, and in a cluster they must share a slot.
    ///
    /// # Panics
    /// When keys and arguments together pass 3 GiB, six times what Redis allows.
    #[must_use]
    pub fn key(mut self, key: impl Arg) -> Self {
        let span = self.write(key);
        self.spans.insert(self.keys, span);
        self.keys += 1;
        self
    }

    /// Adds an argument: `ARGV[1]`, `ARGV[2]`, … in the order of calls.
    ///
    /// # Panics
    /// As for [`Invocation::key`].
    #[must_use]
    pub fn arg(mut self, arg: impl Arg) -> Self {
        let span = self.write(arg);
        self.spans.push(span);
        self
    }

    /// Declares that running it twice has the effect and the answer of running
    /// it once: when the connection is lost before it answered, it is run once
    /// more, as a read is.
    #[must_use]
    pub fn idempotent(mut self) -> Self {
        self.idempotent = true;
        self
    }

    pub(crate) fn is_idempotent(&self) -> bool {
        self.idempotent
    }

    /// For a server that knows the script.
    pub(crate) fn evalsha(&self) -> Command {
        self.command("EVALSHA", self.script.sha())
    }

    /// For one that does not.
    pub(crate) fn eval(&self) -> Command {
        self.command("EVAL", self.script.source())
    }

    fn write(&mut self, word: impl Arg) -> Range<usize> {
        let start = self.words.len();
        word.write(&mut self.words);
        assert!(self.words.len() <= 3 << 30, "an invocation holds at most 3 GiB");
        start..self.words.len()
    }

    #[expect(clippy::expect_used, reason = "the length of all words was checked as they came")]
    fn command(&self, name: &str, script: &str) -> Command {
        const COUNT_DIGITS: usize = 20;
        let size = name.len() + script.len() + COUNT_DIGITS + self.words.len();
        let mut buf = BytesMut::with_capacity(size);
        let mut head = SmallVec::<[Range<usize>; 3]>::new();
        let mut push = |word: &dyn Arg| {
            let start = buf.len();
            word.write(&mut buf);
            head.push(start..buf.len());
        };
        push(&name);
        push(&script);
        push(&self.keys);
        let offset = buf.len();
        buf.extend_from_slice(&self.words);
        let words = self.spans.iter().map(|span| span.start + offset..span.end + offset);
        Command::from_ranges(Bytes::from(buf), head.into_iter().chain(words))
            .expect("a command holds less than 4 GiB")
    }
}

impl fmt::Debug for Invocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let args = self.spans.len() - self.keys;
        write!(f, "Invocation({} +{} keys +{args} args)", self.script.sha(), self.keys)
    }
}

#[cfg(test)]
mod tests {
    use tuckbox_resp::cmd;

    use super::*;

    #[test]
    fn a_script_is_named_by_its_sha_1() {
        // The examples of FIPS 180-4's predecessors: "abc" and nothing.
        assert_eq!(Script::new("abc").sha(), "a9993e364706816aba3e25717850c26c9cd0d89d");
        assert_eq!(Script::new("").sha(), "da39a3ee5e6b4b0d3255bfef95601890afd80709");
    }

    #[test]
    fn keys_come_before_arguments_in_whatever_order_they_were_given() {
        let script = Script::new("return 1");
        let invocation = script.invoke().key("k1").arg("a1").key(b"k2").arg(7);
        let sha = script.sha();
        assert_eq!(invocation.evalsha(), cmd!("EVALSHA", sha, 2, "k1", "k2", "a1", "7"));
        assert_eq!(invocation.eval(), cmd!("EVAL", "return 1", 2, "k1", "k2", "a1", "7"));
        assert_eq!(script.invoke().eval(), cmd!("EVAL", "return 1", 0));
    }

    #[test]
    fn debug_hides_keys_arguments_and_source() {
        let script = Script::new("return 'hunter2'");
        let shown = format!("{:?}", script.invoke().key("hunter2").arg("hunter2"));
        assert_eq!(shown, format!("Invocation({} +1 keys +1 args)", script.sha()));
        assert!(!format!("{script:?}").contains("hunter2"));
    }
}
