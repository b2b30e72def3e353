//! [`Cache`]: scripts by their digest.

use std::collections::HashMap;

use sha1::{Digest as _, Sha1};

use super::{header::Header, machine::Compiled};

/// Scripts that are kept at the most.
const SCRIPTS: usize = 10_000;

/// Bytes of source that are kept at the most.
const BYTES: usize = 32 << 20;

/// A script's SHA-1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Sha([u8; 20]);

impl Sha {
    /// The digest of `source`.
    pub(super) fn of(source: &[u8]) -> Self {
        Self(Sha1::digest(source).into())
    }

    /// Reads 40 hexadecimal digits in any case.
    pub(super) fn parse(text: &[u8]) -> Option<Self> {
        let text: &[u8; 40] = text.try_into().ok()?;
        let mut bytes = [0; 20];
        for (byte, pair) in bytes.iter_mut().zip(text.as_chunks::<2>().0) {
            let digit = |c: u8| char::from(c).to_digit(16);
            *byte = (digit(pair[0])? << 4 | digit(pair[1])?) as u8;
        }
        Some(Self(bytes))
    }

    /// The digest in 40 hexadecimal digits.
    pub(super) fn text(self) -> String {
        let digit = |n: u8| char::from(b"0123456789abcdef"[usize::from(n)]);
        self.0.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
    }
}

/// A script that was run or loaded.
#[derive(Debug)]
pub(super) struct Script {
    pub(super) source: Box<[u8]>,
    pub(super) header: Header,
    /// Where the machine has it compiled, as long as that machine is there.
    pub(super) function: Option<Compiled>,
    /// It came by `SCRIPT LOAD`.
    loaded: bool,
    /// When it was last used: a count of uses.
    used: u64,
}

/// Scripts by their digest. Past its bounds the least recently used go, those
/// that came by `EVAL` first.
#[derive(Debug, Default)]
pub(super) struct Cache {
    scripts: HashMap<Sha, Script>,
    bytes: usize,
    uses: u64,
}

impl Cache {
    /// The script, which counts as used.
    pub(super) fn get(&mut self, sha: Sha) -> Option<&mut Script> {
        self.uses += 1;
        let script = self.scripts.get_mut(&sha)?;
        script.used = self.uses;
        Some(script)
    }

    /// How many scripts are here.
    pub(super) fn len(&self) -> usize {
        self.scripts.len()
    }

    /// Whether the script is here.
    pub(super) fn contains(&self, sha: Sha) -> bool {
        self.scripts.contains_key(&sha)
    }

    /// Whether the script is here and says that it does not write.
    pub(super) fn only_reads(&self, sha: Sha) -> bool {
        self.scripts.get(&sha).is_some_and(|script| script.header.no_writes)
    }

    /// Takes in a script. Returns what was compiled of those that had to go.
    pub(super) fn insert(
        &mut self,
        sha: Sha,
        source: &[u8],
        header: Header,
        function: Compiled,
    ) -> Vec<Compiled> {
        self.uses += 1;
        self.bytes += source.len();
        let script = Script {
            source: source.into(),
            header,
            function: Some(function),
            loaded: false,
            used: self.uses,
        };
        if let Some(old) = self.scripts.insert(sha, script) {
            self.bytes -= old.source.len();
        }
        if self.scripts.len() > SCRIPTS || self.bytes > BYTES {
            return self.shrink(sha);
        }
        Vec::new()
    }

    /// Notes that a script came by `SCRIPT LOAD`.
    pub(super) fn keep(&mut self, sha: Sha) {
        if let Some(script) = self.scripts.get_mut(&sha) {
            script.loaded = true;
        }
    }

    /// Forgets what the machine compiled, which goes.
    pub(super) fn forget_functions(&mut self) {
        self.scripts.values_mut().for_each(|script| script.function = None);
    }

    /// Drops an eighth of the bounds, so that this is rare; never `newest`.
    fn shrink(&mut self, newest: Sha) -> Vec<Compiled> {
        let mut gone = Vec::new();
        let mut order: Vec<_> =
            self.scripts.iter().map(|(sha, script)| (script.loaded, script.used, *sha)).collect();
        order.sort_unstable_by_key(|&(loaded, used, _)| (loaded, used));
        for (_, _, sha) in order {
            let fits =
                self.scripts.len() <= SCRIPTS - SCRIPTS / 8 && self.bytes <= BYTES - BYTES / 8;
            if fits {
                break;
            }
            if sha != newest
                && let Some(script) = self.scripts.remove(&sha)
            {
                self.bytes -= script.source.len();
                gone.extend(script.function);
            }
        }
        gone
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_reads_back_in_any_case() {
        let sha = Sha::of(b"");
        assert_eq!(sha.text(), "da39a3ee5e6b4b0d3255bfef95601890afd80709");
        assert_eq!(Sha::parse(sha.text().to_uppercase().as_bytes()), Some(sha));
        assert_eq!(Sha::parse(b"da39"), None);
        assert_eq!(Sha::parse(&[b'g'; 40]), None);
    }

    #[test]
    fn the_cache_keeps_to_its_bounds_and_keeps_what_was_loaded() {
        let header = Header::read(b"").unwrap();
        let mut cache = Cache::default();
        let sha = |n: usize| Sha::of(&n.to_le_bytes());
        for n in 0..2 * SCRIPTS {
            cache.insert(sha(n), b"return 1", header, Compiled(n as u32));
            if n < 10 {
                cache.keep(sha(n));
            }
            assert!(cache.get(sha(11)).is_some() || n < 11, "it is used all the time");
        }
        assert!(cache.scripts.len() <= SCRIPTS);
        assert_eq!(cache.bytes, cache.scripts.len() * 8);
        assert!((0..10).all(|n| cache.contains(sha(n))));
        assert!(!cache.contains(sha(12)) && cache.contains(sha(2 * SCRIPTS - 1)));

        let long = vec![b' '; BYTES];
        cache.insert(sha(0), &long, header, Compiled(0));
        assert!(cache.contains(sha(0)), "the newest stays");
        assert!(!cache.contains(sha(1)) && cache.bytes == BYTES);
    }
}
