//! [`Id`]: the secret in the cookie, and [`PublicId`]: the name of a session.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest as _, Sha256};
use tuckbox::Arg;

use crate::{SessionError, express::Sid};

/// 120 bits in base64url: which session it is.
const FAMILY_LENGTH: usize = 20;

/// 192 bits in base64url: that one may use it.
const SECRET_LENGTH: usize = 32;

/// The length of an id in the cookie.
pub(crate) const ID_LENGTH: usize = FAMILY_LENGTH + SECRET_LENGTH;

/// 128 bits in base64url without padding.
pub(crate) const NAME_LENGTH: usize = 22;

/// The length of what the store knows of an id's second part: as of a name.
pub(crate) const TOKEN_LENGTH: usize = NAME_LENGTH;

/// A session's id: who has it, is in the session.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Id {
    /// One of ours, as the cookie holds it. Its first part stays with a session
    /// for as long as it lives and leads to its name in the store; the second is
    /// renewed, and the store knows its hash only.
    Own([u8; ID_LENGTH]),
    /// One of Express'.
    Express(Sid),
}

impl Id {
    /// The id of a new session, from the operating system's random source.
    pub(crate) fn random() -> Result<Self, SessionError> {
        let mut bits = [0; ID_LENGTH / 4 * 3];
        getrandom::fill(&mut bits).map_err(SessionError::Random)?;
        Ok(Self::Own(base64url(&bits)))
    }

    /// Another id for the same session.
    pub(crate) fn renewed(&self) -> Result<Self, SessionError> {
        match self {
            Self::Express(_) => Sid::random().map(Self::Express).map_err(SessionError::Random),
            Self::Own(text) => {
                let mut next = Self::random()?;
                if let Self::Own(next) = &mut next {
                    next[..FAMILY_LENGTH].copy_from_slice(&text[..FAMILY_LENGTH]);
                }
                Ok(next)
            }
        }
    }

    /// The id of ours that `value` spells, if it has the shape of one. A shape
    /// says nothing about whether such a session exists.
    pub(crate) fn parse(value: &[u8]) -> Option<Self> {
        let text: [u8; ID_LENGTH] = value.try_into().ok()?;
        text.iter().all(is_base64url).then_some(Self::Own(text))
    }

    /// The id as the cookie holds it, without a signature.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Own(text) => text,
            Self::Express(sid) => sid.as_bytes(),
        }
    }

    /// The session's public name; the store has ours under it.
    pub(crate) fn name(&self) -> PublicId {
        let named = match self {
            Self::Own(text) => &text[..FAMILY_LENGTH],
            Self::Express(sid) => sid.as_bytes(),
        };
        PublicId(base64url(&Sha256::digest(named)[..16]))
    }

    /// What the store knows of the second part: the first 128 bits of its
    /// SHA-256, in base64url. To find another id with the same would take 2^128
    /// tries, as many as to guess one.
    pub(crate) fn token(&self) -> [u8; TOKEN_LENGTH] {
        let secret = match self {
            Self::Own(text) => &text[FAMILY_LENGTH..],
            Self::Express(sid) => sid.as_bytes(),
        };
        base64url(&Sha256::digest(secret)[..16])
    }
}

/// Ids are secrets: `Debug` does not show them.
impl fmt::Debug for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Id(redacted)")
    }
}

/// The name of a session, which may be shown and logged: the first half of the
/// SHA-256 of one part of its cookie, as 22 characters of base64url. It stays
/// the same when the session's id is renewed, and nobody can make the cookie
/// from it. (In the form of Express the id does not have two parts: the name is
/// of all of it, and another one after each login.)
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PublicId([u8; NAME_LENGTH]);

impl PublicId {
    /// The name that `text` spells; `None` when it cannot be one.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::from_bytes(text.as_bytes())
    }

    pub(crate) fn from_bytes(text: &[u8]) -> Option<Self> {
        let name: [u8; NAME_LENGTH] = text.try_into().ok()?;
        name.iter().all(is_base64url).then_some(Self(name))
    }

    /// A number that is as random as the name.
    pub(crate) fn number(&self) -> u64 {
        self.0.iter().fold(0, |number: u64, b| number.wrapping_mul(31).wrapping_add(u64::from(*b)))
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        // All its bytes are base64url.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl fmt::Display for PublicId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for PublicId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicId({self})")
    }
}

impl serde::Serialize for PublicId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl Arg for PublicId {
    fn write(&self, buf: &mut bytes::BytesMut) {
        buf.extend_from_slice(&self.0);
    }
}

fn is_base64url(b: &u8) -> bool {
    b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_')
}

fn base64url<const N: usize>(bytes: &[u8]) -> [u8; N] {
    let mut text = [0; N];
    let written = URL_SAFE_NO_PAD.encode_slice(bytes, &mut text);
    debug_assert_eq!(written, Ok(N));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_store_knows_hashes_of_the_cookies_parts() {
        let id = Id::parse(&[b'A'; ID_LENGTH]).unwrap();
        // printf A%.0s {1..20} | openssl dgst -sha256 -binary | head -c 16 | basenc --base64url
        assert_eq!(id.name().as_str(), "7fyqxXkCT1dK28qjwT5P0g");
        // The same with 32.
        assert_eq!(&id.token(), b"IqSAUVlMGUne7XBAhQwfDw");
    }

    #[test]
    fn ids_differ_and_have_the_shape_that_is_parsed() {
        let (one, other) = (Id::random().unwrap(), Id::random().unwrap());
        assert_ne!(one, other);
        assert_ne!(one.name(), other.name());
        assert_eq!(Id::parse(one.as_bytes()), Some(one));
    }

    #[test]
    fn a_renewed_id_is_another_of_the_same_session() {
        let id = Id::random().unwrap();
        let next = id.renewed().unwrap();
        assert_eq!(next.name(), id.name());
        assert_ne!(next.token(), id.token());
    }

    #[test]
    fn only_52_base64url_characters_are_an_id() {
        assert!(Id::parse(&[b'a'; 51]).is_none());
        assert!(Id::parse(&[b'a'; 53]).is_none());
        assert!(Id::parse(b"").is_none());
        for wrong in [b'=', b'+', b'/', b' ', b'"', 0, 0x80, 0xff] {
            let mut text = [b'a'; ID_LENGTH];
            text[20] = wrong;
            assert!(Id::parse(&text).is_none(), "{wrong:#x}");
        }
    }

    #[test]
    fn a_public_id_reads_back_and_nothing_else_is_one() {
        let name = Id::random().unwrap().name();
        assert_eq!(PublicId::parse(&name.to_string()), Some(name));
        for wrong in ["", "short", "0123456789012345678901234", "ääääääääääääääääääääää"]
        {
            assert_eq!(PublicId::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn debug_does_not_show_an_id() {
        let id = Id::random().unwrap();
        assert_eq!(format!("{id:?}"), "Id(redacted)");
    }
}
