//! [`KeyRing`]: the secrets that sign cookies and seal stored values.

mod seal;

use std::{fmt, sync::Arc};

use aes::Aes256;
use aes_gcm_siv::AesGcmSiv;
use base64::{
    Engine as _,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig, general_purpose},
};
use hkdf::Hkdf;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use zeroize::Zeroizing;

pub use seal::{OpenError, SealError};

/// 128 bits in base64url without padding.
const TAG_LENGTH: usize = 22;
const TAG_BYTES: usize = 16;

const MIN_SECRET_BYTES: usize = 32;
const MAX_SECRET_BYTES: usize = 1024;
const MAX_NAME_BYTES: usize = 16;
const MAX_KEYS: usize = 8;

/// What the keys are derived for. Another text makes other keys: these never
/// change.
const SIGNING: &[u8] = b"tuckbox-sessions 1 sign";
const SEALING: &[u8] = b"tuckbox-sessions 1 seal";

/// Named secrets: one that is current, and older ones that still read what they
/// wrote.
///
/// To rotate, put a new secret before the others, on all servers at the same
/// time or first as an old one everywhere; take the oldest out when nothing
/// written with it can be alive any more.
///
/// From each secret two keys are derived (HKDF-SHA256, RFC 5869), one for
/// signatures and one for sealing, so that neither use weakens the other.
///
/// `Debug` shows the names only, and the keys are overwritten when the last
/// clone is dropped. Cloning is a reference count.
///
/// ```
/// use tuckbox_sessions::KeyRing;
///
/// // From the environment, say. The first one is current.
/// let text = "k2:c2Vjb25kIHNlY3JldCBvZiAzMiByYW5kb20gYnl0ZXM=,\
///             k1:Zmlyc3Qgc2VjcmV0IG9mIDMyIGJ5dGVzIGF0IHJhbmRvbQ==";
/// let ring = KeyRing::parse(text)?;
/// assert_eq!(format!("{ring:?}"), r#"KeyRing { current: "k2", old: ["k1"] }"#);
/// # Ok::<(), tuckbox_sessions::KeyRingError>(())
/// ```
#[derive(Clone)]
pub struct KeyRing {
    /// The current key, then the old ones; never empty.
    keys: Arc<[Key]>,
}

struct Key {
    name: Box<str>,
    /// Has taken in the key already; a signature starts from a clone.
    signer: Hmac<Sha256>,
    sealer: AesGcmSiv<Aes256>,
}

/// Which kind of key had written what was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Freshness {
    /// The current one.
    Current,
    /// An old one: write it again before that key is taken out of the ring.
    Old,
}

/// A signature of 128 bits, as text.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Tag([u8; TAG_LENGTH]);

impl KeyRing {
    /// The ring in a text such as `k2:c2Vjb25k…,k1:Zmlyc3Q…`: names and secrets
    /// in base64 (either alphabet, with or without padding), the current one
    /// first. White space around them does not count.
    ///
    /// `openssl rand -base64 32` makes a secret.
    ///
    /// # Errors
    /// [`KeyRingError`] says what to change; it shows no secret.
    pub fn parse(text: &str) -> Result<Self, KeyRingError> {
        let mut builder = Self::builder();
        let mut is_first = true;
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            let (name, secret) = part.split_once(':').ok_or(KeyRingError::NoName)?;
            let (name, secret) = (name.trim(), decode(secret.trim()));
            let secret = secret.ok_or_else(|| KeyRingError::Base64(shown(name)))?;
            builder = if std::mem::take(&mut is_first) {
                builder.current(name, &*secret)
            } else {
                builder.old(name, &*secret)
            };
        }
        builder.build()
    }

    /// A ring of one secret, called `k1`: at least 32 random bytes.
    ///
    /// # Errors
    /// [`KeyRingError::TooShort`], [`KeyRingError::TooLong`].
    pub fn single(secret: impl AsRef<[u8]>) -> Result<Self, KeyRingError> {
        Self::builder().current("k1", secret).build()
    }

    /// A ring of secrets that the application has as bytes.
    pub fn builder() -> KeyRingBuilder {
        KeyRingBuilder { current: None, old: Vec::new() }
    }

    /// The signature of `value` by the current key (HMAC-SHA256, RFC 2104, its
    /// first 128 bits). It is good for the same `context` only, which says what
    /// the value is for.
    #[must_use]
    pub fn sign(&self, context: &[u8], value: &[u8]) -> Tag {
        let mac = mac(&self.current().signer, context, value).finalize().into_bytes();
        let mut text = [0; TAG_LENGTH];
        let start = mac.get(..TAG_BYTES).unwrap_or_default();
        let written = general_purpose::URL_SAFE_NO_PAD.encode_slice(start, &mut text);
        debug_assert_eq!(written, Ok(TAG_LENGTH));
        Tag(text)
    }

    /// Whether `tag` is a signature of `value` in `context` by a key of the
    /// ring, and by which kind; `None` when it is not. Takes the same time
    /// however much of a wrong tag is right.
    #[must_use]
    pub fn verify(&self, context: &[u8], value: &[u8], tag: &[u8]) -> Option<Freshness> {
        if tag.len() != TAG_LENGTH {
            return None;
        }
        let mut given = [0; TAG_BYTES];
        // One signature has one spelling: spare bits that are set are refused.
        general_purpose::URL_SAFE_NO_PAD.decode_slice(tag, &mut given).ok()?;
        let signed_by =
            |key: &Key| mac(&key.signer, context, value).verify_truncated_left(&given).is_ok();
        match self.keys.iter().position(signed_by)? {
            0 => Some(Freshness::Current),
            _ => Some(Freshness::Old),
        }
    }

    fn current(&self) -> &Key {
        #[expect(clippy::indexing_slicing, reason = "a ring is never empty")]
        &self.keys[0]
    }
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut names = self.keys.iter().map(|key| &key.name);
        let mut shown = f.debug_struct("KeyRing");
        if let Some(current) = names.next() {
            shown.field("current", current);
        }
        shown.field("old", &names.collect::<Vec<_>>()).finish()
    }
}

impl Tag {
    /// 22 characters of base64url.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// Who has an id and its tag is in the session: `Debug` does not show it.
impl fmt::Debug for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tag(redacted)")
    }
}

/// Collects the secrets of a [`KeyRing`]; see [`KeyRing::builder`].
#[must_use]
pub struct KeyRingBuilder {
    current: Option<Named>,
    old: Vec<Named>,
}

struct Named {
    name: String,
    secret: Zeroizing<Vec<u8>>,
}

impl Named {
    fn new(name: impl Into<String>, secret: impl AsRef<[u8]>) -> Self {
        Self { name: name.into(), secret: Zeroizing::new(secret.as_ref().to_vec()) }
    }
}

impl KeyRingBuilder {
    /// The secret that writes from now on: 32 to 1024 bytes, and random. Given
    /// twice, the later one is current and the earlier one is old.
    pub fn current(mut self, name: impl Into<String>, secret: impl AsRef<[u8]>) -> Self {
        let before = self.current.replace(Named::new(name, secret));
        self.old.extend(before);
        self
    }

    /// A secret that only reads what was written with it.
    pub fn old(mut self, name: impl Into<String>, secret: impl AsRef<[u8]>) -> Self {
        self.old.push(Named::new(name, secret));
        self
    }

    /// The ring, with its keys derived.
    ///
    /// # Errors
    /// [`KeyRingError`] says what to change; it shows no secret.
    pub fn build(self) -> Result<KeyRing, KeyRingError> {
        let current = self.current.ok_or(KeyRingError::NoCurrent)?;
        if self.old.len() >= MAX_KEYS {
            return Err(KeyRingError::TooMany(self.old.len() + 1));
        }
        let mut keys: Vec<Key> = Vec::with_capacity(1 + self.old.len());
        for Named { name, secret } in std::iter::once(current).chain(self.old) {
            let in_name = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
            if name.is_empty() || name.len() > MAX_NAME_BYTES || !name.bytes().all(in_name) {
                return Err(KeyRingError::Name(shown(&name)));
            }
            if keys.iter().any(|key| *key.name == name) {
                return Err(KeyRingError::Duplicate(name));
            }
            if secret.len() < MIN_SECRET_BYTES {
                return Err(KeyRingError::TooShort { name, bytes: secret.len() });
            }
            if secret.len() > MAX_SECRET_BYTES {
                return Err(KeyRingError::TooLong { name, bytes: secret.len() });
            }
            keys.push(Key::derive(name, &secret));
        }
        Ok(KeyRing { keys: keys.into() })
    }
}

impl fmt::Debug for KeyRingBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.old.iter().map(|named| &named.name);
        f.debug_struct("KeyRingBuilder")
            .field("current", &self.current.as_ref().map(|named| &named.name))
            .field("old", &names.collect::<Vec<_>>())
            .finish()
    }
}

impl Key {
    fn derive(name: String, secret: &[u8]) -> Self {
        Self {
            name: name.into(),
            signer: signer(&*expand(secret, SIGNING)),
            sealer: AesGcmSiv::new((&*expand(secret, SEALING)).into()),
        }
    }
}

/// HKDF-SHA256 without a salt: the secret is random already.
fn expand(secret: &[u8], purpose: &[u8]) -> Zeroizing<[u8; 32]> {
    let mut key = Zeroizing::new([0; 32]);
    #[expect(clippy::expect_used, reason = "HKDF-SHA256 gives up to 8160 bytes")]
    Hkdf::<Sha256>::new(None, secret).expand(purpose, &mut *key).expect("32 bytes are few");
    key
}

fn signer(key: &[u8]) -> Hmac<Sha256> {
    #[expect(clippy::expect_used, reason = "HMAC takes keys of any length")]
    Hmac::new_from_slice(key).expect("any length")
}

/// The context's length goes first, so that no other context and value make the
/// same text.
fn mac(signer: &Hmac<Sha256>, context: &[u8], value: &[u8]) -> Hmac<Sha256> {
    let mut mac = signer.clone();
    mac.update(&(context.len() as u64).to_be_bytes());
    mac.update(context);
    mac.update(value);
    mac
}

fn decode(text: &str) -> Option<Zeroizing<Vec<u8>>> {
    const LENIENT: GeneralPurposeConfig =
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    let url_safe = text.contains(['-', '_']);
    let alphabet = if url_safe { &base64::alphabet::URL_SAFE } else { &base64::alphabet::STANDARD };
    let mut bytes = Zeroizing::new(vec![0; base64::decoded_len_estimate(text.len())]);
    let length = GeneralPurpose::new(alphabet, LENIENT).decode_slice(text, &mut bytes).ok()?;
    bytes.truncate(length);
    Some(bytes)
}

/// So much of a wrong name as may be shown: someone may have put the secret in
/// its place.
fn shown(name: &str) -> String {
    name.chars().take(4).chain(name.chars().nth(4).map(|_| '…')).collect()
}

/// Why a [`KeyRing`] cannot be. No variant holds a secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyRingError {
    /// No key, or only old ones.
    #[error("the key ring has no current key: write name:base64, made by openssl rand -base64 32")]
    NoCurrent,
    /// Eight keys are enough for any rotation, and each makes a wrong signature
    /// dearer to refuse.
    #[error("the key ring has {0} keys, more than {MAX_KEYS}: take the oldest out")]
    TooMany(usize),
    /// Without a name nothing tells which key sealed a value.
    #[error("a key of the ring has no name: write name:base64")]
    NoName,
    /// Not a name; the start of it is shown.
    #[error("a key's name has 1 to {MAX_NAME_BYTES} characters of a-z and 0-9, unlike {0:?}")]
    Name(String),
    /// Two keys of one name.
    #[error("the key ring has two keys called {0:?}: give the newer one a new name")]
    Duplicate(String),
    /// Not base64; the start of the key's name is shown.
    #[error("the secret of key {0:?} is not base64: make one by openssl rand -base64 32")]
    Base64(String),
    /// Too few bytes to be a secret.
    #[error(
        "the secret of key {name:?} has {bytes} bytes, fewer than {MIN_SECRET_BYTES}: make one by openssl rand -base64 32"
    )]
    TooShort {
        /// The key's name.
        name: String,
        /// How many bytes it has.
        bytes: usize,
    },
    /// More bytes than any secret needs.
    #[error("the secret of key {name:?} has {bytes} bytes, more than {MAX_SECRET_BYTES}")]
    TooLong {
        /// The key's name.
        name: String,
        /// How many bytes it has.
        bytes: usize,
    },
}

#[cfg(test)]
mod tests;
