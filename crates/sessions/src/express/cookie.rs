//! [`SidSecrets`]: the `connect.sid` cookie of express-session.

use std::fmt;

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD},
};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

/// The longest id that is read. Express makes ids of 32 characters unless the
/// application brings a `genid` of its own.
const MAX_SID_BYTES: usize = 128;

/// No cookie of such an id and its signature is longer, even if every
/// character is written as three.
const MAX_VALUE_BYTES: usize = 1024;

/// What the value of a signed cookie starts with.
const SIGNED: &[u8] = b"s:";

const MAC_BYTES: usize = 32;
/// `MAC_BYTES` in base64 without padding.
const MAC_LENGTH: usize = 43;

/// The secrets by which express-session signs its cookie: the first one signs,
/// each of them verifies. The same list as its option `secret`.
///
/// Such a cookie's value is `s:`, the session's id, a dot and the id's
/// HMAC-SHA256 in base64 without padding, all in the spelling of
/// `encodeURIComponent`.
///
/// ```
/// use tuckbox_sessions::express::{Sid, SidSecrets};
///
/// let secrets = SidSecrets::new(["keyboard cat"])?;
/// let sid = Sid::parse(b"QX2aVsuJX4s7dYmbZ_8Z0kFh-1uXb0aE").unwrap();
/// let value = secrets.sign(&sid);
/// assert!(value.starts_with("s%3AQX2aVsuJX4s7dYmbZ_8Z0kFh-1uXb0aE.SxjtbG%2Bf5i"));
/// assert_eq!(secrets.read(value.as_bytes()), Some(sid));
/// # Ok::<(), tuckbox_sessions::express::SidSecretsError>(())
/// ```
#[derive(Clone)]
pub struct SidSecrets {
    /// The signing one first; each has taken in its secret already.
    signers: Vec<Hmac<Sha256>>,
}

impl SidSecrets {
    /// The secrets of express-session's option `secret`, in its order.
    ///
    /// # Errors
    /// [`SidSecretsError`], when there is none or one is empty.
    pub fn new<S: AsRef<[u8]>>(
        secrets: impl IntoIterator<Item = S>,
    ) -> Result<Self, SidSecretsError> {
        let signers = secrets
            .into_iter()
            .map(|secret| match secret.as_ref() {
                [] => Err(SidSecretsError::Empty),
                secret => Ok(signer(secret)),
            })
            .collect::<Result<Vec<_>, _>>()?;
        if signers.is_empty() {
            return Err(SidSecretsError::None);
        }
        Ok(Self { signers })
    }

    /// The value of the cookie that gives the browser `sid`: visible ASCII
    /// without anything that a cookie may not hold.
    #[must_use]
    pub fn sign(&self, sid: &Sid) -> String {
        let mut mac = [0; MAC_LENGTH];
        if let Some(signer) = self.signers.first() {
            let bytes = mac_of(signer, sid.as_bytes()).finalize().into_bytes();
            let written = STANDARD_NO_PAD.encode_slice(bytes, &mut mac);
            debug_assert_eq!(written, Ok(MAC_LENGTH));
        }
        let mut value = String::with_capacity(MAC_LENGTH + sid.as_bytes().len() + 12);
        for part in [SIGNED, sid.as_bytes(), b".", &mac] {
            encode(part, &mut value);
        }
        value
    }

    /// The id in the value of one cookie, if it is signed by one of the
    /// secrets. Takes the same time however much of a wrong signature is right.
    #[must_use]
    pub fn read(&self, value: &[u8]) -> Option<Sid> {
        if value.len() > MAX_VALUE_BYTES {
            return None;
        }
        let value =
            value.strip_prefix(b"\"").and_then(|inner| inner.strip_suffix(b"\"")).unwrap_or(value);
        let decoded = decode(value);
        let signed = decoded.strip_prefix(SIGNED)?;
        let dot = signed.iter().rposition(|b| *b == b'.')?;
        let (sid, mac) = (signed.get(..dot)?, signed.get(dot + 1..)?);
        let sid = Sid::parse(sid)?;
        if mac.len() != MAC_LENGTH {
            return None;
        }
        let mut given = [0; MAC_BYTES];
        // One signature has one spelling: spare bits that are set are refused.
        STANDARD_NO_PAD.decode_slice(mac, &mut given).ok()?;
        let signed_by =
            |signer: &Hmac<Sha256>| mac_of(signer, sid.as_bytes()).verify_slice(&given).is_ok();
        self.signers.iter().any(signed_by).then_some(sid)
    }
}

/// Shows how many secrets there are, and none of them.
impl fmt::Debug for SidSecrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SidSecrets({})", self.signers.len())
    }
}

/// Why there can be no [`SidSecrets`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SidSecretsError {
    /// The list is empty.
    #[error("the Express cookie needs a secret: the one in express-session's option `secret`")]
    None,
    /// A secret is the empty text, perhaps from a variable that is not set.
    #[error("a secret of the Express cookie is empty")]
    Empty,
}

/// A session's id in Express: who can sign it, is in the session.
#[derive(Clone, PartialEq, Eq)]
pub struct Sid(Box<[u8]>);

impl Sid {
    /// A new id as Express makes them: 192 bits from the operating system's
    /// random source, in base64url.
    ///
    /// # Errors
    /// When the operating system gives no random bits.
    pub fn random() -> Result<Self, getrandom::Error> {
        let mut bits = [0; 24];
        getrandom::fill(&mut bits)?;
        let mut text = [0; 32];
        let written = URL_SAFE_NO_PAD.encode_slice(bits, &mut text);
        debug_assert_eq!(written, Ok(text.len()));
        Ok(Self(text.into()))
    }

    /// The id that `text` spells: 1 to 128 visible ASCII characters, without the
    /// braces by which a cluster places keys.
    #[must_use]
    pub fn parse(text: &[u8]) -> Option<Self> {
        let fits = !text.is_empty() && text.len() <= MAX_SID_BYTES;
        let in_sid = |b: &u8| b.is_ascii_graphic() && !b"{}".contains(b);
        (fits && text.iter().all(in_sid)).then(|| Self(text.into()))
    }

    /// The id's characters, as they stand in the store's key behind `sess:`.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// Ids are secrets: `Debug` does not show them.
impl fmt::Debug for Sid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sid(redacted)")
    }
}

fn signer(secret: &[u8]) -> Hmac<Sha256> {
    #[expect(clippy::expect_used, reason = "HMAC takes keys of any length")]
    Hmac::new_from_slice(secret).expect("any length")
}

fn mac_of(signer: &Hmac<Sha256>, sid: &[u8]) -> Hmac<Sha256> {
    let mut mac = signer.clone();
    mac.update(sid);
    mac
}

/// `encodeURIComponent` for ASCII.
fn encode(text: &[u8], into: &mut String) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    let hex = |digit: u8| char::from(HEX[usize::from(digit & 15)]);
    for &byte in text {
        if byte.is_ascii_alphanumeric() || b"-_.!~*'()".contains(&byte) {
            into.push(char::from(byte));
        } else {
            into.extend(['%', hex(byte >> 4), hex(byte)]);
        }
    }
}

/// `decodeURIComponent`, for which what cannot be decoded stands for itself, as
/// Express has it.
fn decode(text: &[u8]) -> Vec<u8> {
    decode_strictly(text)
        .filter(|decoded| std::str::from_utf8(decoded).is_ok())
        .unwrap_or_else(|| text.to_vec())
}

fn decode_strictly(text: &[u8]) -> Option<Vec<u8>> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&byte, behind)) = rest.split_first() {
        rest = behind;
        if byte == b'%' {
            let (digits, behind) = rest.split_first_chunk::<2>()?;
            let [high, low] = digits.map(|digit| char::from(digit).to_digit(16));
            decoded.push(u8::try_from(high? * 16 + low?).ok()?);
            rest = behind;
        } else {
            decoded.push(byte);
        }
    }
    Some(decoded)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Made by cookie-signature 1.0.7 and cookie 0.7.2 of npm.
    const VECTORS: [(&str, &str, &str); 4] = [
        (
            "vvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvv",
            "keyboard cat",
            "s%3Avvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvv.NdyYfqBL8scEpwLIZH4gJUkcxZoZZwrit5yrIlRVAZM",
        ),
        (
            "QX2aVsuJX4s7dYmbZ_8Z0kFh-1uXb0aE",
            "keyboard cat",
            "s%3AQX2aVsuJX4s7dYmbZ_8Z0kFh-1uXb0aE.SxjtbG%2Bf5iGpHKHXHxcnTQXya3W3tTLtUrR8CJc1p2M",
        ),
        ("a.b(c)'!*~", "schlüssel", "s%3Aa.b(c)'!*~.7YF05Igftih2l2J5PPqJMZO5QiRX2hoyEnwwePqfoxk"),
        (
            "x%y/z+w=?",
            "k",
            "s%3Ax%25y%2Fz%2Bw%3D%3F.UQIl4zcreIfAsHwnWuFRcvB%2B71KBCYBAnXChRmNxi%2Fs",
        ),
    ];

    fn secrets(list: &[&str]) -> SidSecrets {
        SidSecrets::new(list).unwrap()
    }

    fn sid(text: &str) -> Sid {
        Sid::parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn cookies_of_express_are_read_and_made_alike() {
        for (id, secret, value) in VECTORS {
            let secrets = secrets(&[secret]);
            assert_eq!(secrets.sign(&sid(id)), value);
            assert_eq!(secrets.read(value.as_bytes()), Some(sid(id)), "{value}");
        }
    }

    #[test]
    fn other_spellings_that_express_reads_are_read() {
        let (id, secret, value) = VECTORS[0];
        let plain = value.replace("%3A", ":");
        let quoted = format!("\"{value}\"");
        let wordy = value.replace("vv", "%76v");
        for text in [value.to_lowercase().replace("n", "x"), plain.replace("s:", "")] {
            assert_eq!(secrets(&[secret]).read(text.as_bytes()), None, "{text}");
        }
        for text in [plain, quoted, wordy] {
            assert_eq!(secrets(&[secret]).read(text.as_bytes()), Some(sid(id)), "{text}");
        }
        // What cannot be decoded stands for itself.
        let mut value = secrets(&[secret]).sign(&sid("100%"));
        for (coded, plain) in [("%3A", ":"), ("%2B", "+"), ("%2F", "/"), ("%25", "%")] {
            value = value.replace(coded, plain);
        }
        assert!(value.starts_with("s:100%."), "{value}");
        assert_eq!(secrets(&[secret]).read(value.as_bytes()), Some(sid("100%")));
    }

    #[test]
    fn the_first_secret_signs_and_all_verify() {
        let (id, secret, value) = VECTORS[0];
        let rotated = secrets(&["new", secret]);
        assert_eq!(rotated.read(value.as_bytes()), Some(sid(id)));
        let signed = rotated.sign(&sid(id));
        assert_eq!(secrets(&["new"]).read(signed.as_bytes()), Some(sid(id)));
        assert_eq!(secrets(&[secret]).read(signed.as_bytes()), None);
        assert_eq!(secrets(&["new"]).read(value.as_bytes()), None);
    }

    #[test]
    fn unsigned_forged_and_malformed_cookies_are_nobodys() {
        let (_, secret, value) = VECTORS[0];
        let secrets = secrets(&[secret]);
        let other = value.replace("vvv.", "vvw.");
        let spare_bits = value.replace("AZM", "AZN");
        let padded = format!("{value}%3D");
        let long = secrets.sign(&Sid("a".repeat(129).as_bytes().into()));
        for text in [
            "",
            "s",
            "s:",
            "s:.",
            "s%3A",
            "%",
            "%3",
            "\"",
            "\"\"",
            "s:a",
            "s:a.",
            "j:{}",
            "ä",
            "%ff",
            &other,
            &spare_bits,
            &padded,
            &long,
            &"a".repeat(5000),
            &value[..value.len() - 1],
        ] {
            assert_eq!(secrets.read(text.as_bytes()), None, "{text:.60}");
        }
        for bit in 0..value.len() * 8 {
            let mut changed = value.as_bytes().to_vec();
            changed[bit / 8] ^= 1 << (bit % 8);
            // `%3A` and `%3a` are one character.
            if !changed.eq_ignore_ascii_case(value.as_bytes()) || bit / 8 > 3 {
                assert_eq!(secrets.read(&changed), None, "bit {bit}");
            }
        }
    }

    #[test]
    fn only_visible_ids_of_a_fair_length_are_ids() {
        assert!(Sid::parse(b"").is_none());
        assert!(Sid::parse(&[b'a'; 128]).is_some());
        assert!(Sid::parse(&[b'a'; 129]).is_none());
        for wrong in [b' ', b'\n', b'{', b'}', 0, 0x7f, 0x80, 0xff] {
            assert!(Sid::parse(&[b'a', wrong]).is_none(), "{wrong:#x}");
        }
    }

    #[test]
    fn new_ids_have_the_shape_of_expresss_own() {
        let (one, other) = (Sid::random().unwrap(), Sid::random().unwrap());
        assert_ne!(one, other);
        assert_eq!(one.as_bytes().len(), 32);
        assert!(one.as_bytes().iter().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(b)));
    }

    #[test]
    fn a_list_without_a_secret_is_refused() {
        assert_eq!(SidSecrets::new([""; 0]).unwrap_err(), SidSecretsError::None);
        assert_eq!(SidSecrets::new(["a", ""]).unwrap_err(), SidSecretsError::Empty);
    }

    #[test]
    fn debug_shows_neither_ids_nor_secrets() {
        assert_eq!(format!("{:?}", secrets(&["hush", "old"])), "SidSecrets(2)");
        assert_eq!(format!("{:?}", sid("abc")), "Sid(redacted)");
    }

    proptest! {
        #[test]
        fn what_was_signed_is_read(id in "[!-z|~]{1,128}", secret in "\\PC{1,80}") {
            let secrets = secrets(&[&secret]);
            let value = secrets.sign(&sid(&id));
            let in_cookie = |b: u8| b.is_ascii_graphic() && !b"\",;\\".contains(&b);
            prop_assert!(value.bytes().all(in_cookie));
            prop_assert!(value.len() <= MAX_VALUE_BYTES);
            prop_assert_eq!(secrets.read(value.as_bytes()), Some(sid(&id)));
        }

        #[test]
        fn no_bytes_are_a_signed_id(
            value in prop_oneof![
                prop::collection::vec(any::<u8>(), 0..100),
                "s(:|%3A)[!-~]{0,40}\\.[A-Za-z0-9+/]{43}".prop_map(String::into_bytes),
            ]
        ) {
            prop_assert_eq!(secrets(&["keyboard cat"]).read(&value), None);
        }
    }
}
