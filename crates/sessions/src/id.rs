//! [`Id`]: the secret in the cookie, and the name it has in the store.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest as _, Sha256};

use crate::SessionError;

/// 256 bits in base64url without padding.
pub(crate) const ID_LENGTH: usize = 43;

/// A session's id as the cookie holds it: who has it, is in the session.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Id([u8; ID_LENGTH]);

impl Id {
    /// A new id of 256 bits from the operating system's random source.
    pub(crate) fn random() -> Result<Self, SessionError> {
        let mut bits = [0; 32];
        getrandom::fill(&mut bits).map_err(SessionError::Random)?;
        Ok(Self(base64url(&bits)))
    }

    /// The id that `value` spells, if it has the shape of one. A shape says
    /// nothing about whether such a session exists.
    pub(crate) fn parse(value: &[u8]) -> Option<Self> {
        let text: [u8; ID_LENGTH] = value.try_into().ok()?;
        let spelled = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
        text.iter().all(spelled).then_some(Self(text))
    }

    /// The id as the cookie holds it.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// SHA-256 of the id's text in base64url: its name in the store. Nobody
    /// can make the cookie from it, so a dump of the store opens no session.
    pub(crate) fn hash(&self) -> [u8; ID_LENGTH] {
        base64url(&Sha256::digest(self.0).into())
    }
}

/// Ids are secrets: `Debug` does not show them.
impl fmt::Debug for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Id(redacted)")
    }
}

fn base64url(bytes: &[u8; 32]) -> [u8; ID_LENGTH] {
    let mut text = [0; ID_LENGTH];
    let written = URL_SAFE_NO_PAD.encode_slice(bytes, &mut text);
    debug_assert_eq!(written, Ok(ID_LENGTH));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_store_name_is_the_sha_256_of_the_cookies_text() {
        let id = Id::parse(&[b'A'; ID_LENGTH]).unwrap();
        // printf A%.0s {1..43} | openssl dgst -sha256 -binary | basenc --base64url
        assert_eq!(&id.hash(), b"DwBzhbb51LfusnSGBa_hqYSgo7-j8BTQnip4TOnlzRo");
    }

    #[test]
    fn ids_differ_and_have_the_shape_that_is_parsed() {
        let (one, other) = (Id::random().unwrap(), Id::random().unwrap());
        assert_ne!(one, other);
        assert_eq!(Id::parse(one.as_bytes()), Some(one));
    }

    #[test]
    fn only_43_base64url_characters_are_an_id() {
        assert!(Id::parse(&[b'a'; 42]).is_none());
        assert!(Id::parse(&[b'a'; 44]).is_none());
        assert!(Id::parse(b"").is_none());
        for wrong in [b'=', b'+', b'/', b' ', b'"', 0, 0x80, 0xff] {
            let mut text = [b'a'; ID_LENGTH];
            text[20] = wrong;
            assert!(Id::parse(&text).is_none(), "{wrong:#x}");
        }
    }

    #[test]
    fn debug_does_not_show_an_id() {
        let id = Id::random().unwrap();
        assert_eq!(format!("{id:?}"), "Id(redacted)");
    }
}
