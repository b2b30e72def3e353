//! The name of one request, by which a user's complaint is found in the log.

use std::{
    cell::RefCell,
    convert::Infallible,
    fmt,
    sync::atomic::{AtomicU64, Ordering},
};

use axum::extract::FromRequestParts;
use http::{HeaderMap, HeaderName, HeaderValue, request::Parts};

/// The header that carries a request's id in and out.
pub(crate) const HEADER: HeaderName = HeaderName::from_static("x-request-id");

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// Longest id taken from a client.
const ID_BYTES_MAX: usize = 128;

/// The id of a request: from its `x-request-id` header if that is sane (1 to 128 characters of an
/// HTTP token), else 128 random bits in hexadecimal.
///
/// It is in the request's extensions, in the response's `x-request-id`, in every log line of the
/// request and in the error bodies made here. A handler takes it as an argument. It is a name and
/// no secret: clients choose it.
#[derive(Clone, PartialEq, Eq)]
pub struct RequestId(HeaderValue);

impl RequestId {
    /// The id's text: never empty, and safe in logs and in JSON.
    #[must_use]
    pub fn as_str(&self) -> &str {
        // Holds visible ASCII alone, by construction.
        self.0.to_str().unwrap_or_default()
    }

    pub(crate) fn of(headers: &HeaderMap) -> Self {
        match headers.get(HEADER) {
            Some(given) if is_sane(given.as_bytes()) => Self(given.clone()),
            _ => Self::random(),
        }
    }

    /// As [`RequestId::of`], with the platform's own name for the request instead of a random one.
    #[cfg(feature = "lambda")]
    pub(crate) fn of_or(headers: &HeaderMap, own: &str) -> Self {
        match (headers.get(HEADER), HeaderValue::from_str(own)) {
            (Some(given), _) if is_sane(given.as_bytes()) => Self(given.clone()),
            (_, Ok(own)) if is_sane(own.as_bytes()) => Self(own),
            _ => Self::random(),
        }
    }

    pub(crate) fn header(&self) -> HeaderValue {
        self.0.clone()
    }

    fn random() -> Self {
        let text = match random_bits() {
            Some(bits) => hexadecimal(bits),
            // Without randomness a request still needs a name.
            None => {
                static COUNT: AtomicU64 = AtomicU64::new(0);
                format!("unrandom-{}", COUNT.fetch_add(1, Ordering::Relaxed))
            }
        };
        Self(HeaderValue::try_from(text).unwrap_or_else(|_| HeaderValue::from_static("none")))
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RequestId({})", self.as_str())
    }
}

impl<S: Sync> FromRequestParts<S> for RequestId {
    type Rejection = Infallible;

    /// Takes the id of the request; makes one where the router runs without this crate's server,
    /// as in tests.
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        Ok(parts.extensions.get().cloned().unwrap_or_else(|| Self::of(&parts.headers)))
    }
}

/// The `traceparent` header, if it has the form of W3C Trace Context:
/// `version-traceid-parentid-flags` in lower-case hexadecimal.
pub(crate) fn traceparent(headers: &HeaderMap) -> Option<HeaderValue> {
    let value = headers.get(TRACEPARENT)?;
    let well_formed = value.len() == 55
        && value.as_bytes().iter().enumerate().all(|(at, byte)| match at {
            2 | 35 | 52 => *byte == b'-',
            _ => matches!(byte, b'0'..=b'9' | b'a'..=b'f'),
        });
    well_formed.then(|| value.clone())
}

fn is_sane(id: &[u8]) -> bool {
    let token = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
    (1..=ID_BYTES_MAX).contains(&id.len()) && id.iter().all(token)
}

const BITS_BYTES: usize = 16;

/// Random bytes that a thread has in hand: one system call names 64 requests.
struct Pool {
    bytes: [u8; 64 * BITS_BYTES],
    used: usize,
}

thread_local! {
    static POOL: RefCell<Pool> =
        const { RefCell::new(Pool { bytes: [0; 64 * BITS_BYTES], used: 64 * BITS_BYTES }) };
}

fn random_bits() -> Option<[u8; BITS_BYTES]> {
    POOL.with_borrow_mut(|pool| {
        if pool.used == pool.bytes.len() {
            getrandom::fill(&mut pool.bytes).ok()?;
            pool.used = 0;
        }
        let bits = pool.bytes[pool.used..].first_chunk().copied();
        pool.used += BITS_BYTES;
        bits
    })
}

fn hexadecimal(bits: [u8; BITS_BYTES]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = String::with_capacity(2 * BITS_BYTES);
    for byte in bits {
        text.push(char::from(DIGITS[usize::from(byte >> 4)]));
        text.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
    text
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn of(given: &[u8]) -> RequestId {
        let mut headers = HeaderMap::new();
        headers.insert(HEADER, HeaderValue::from_bytes(given).unwrap());
        RequestId::of(&headers)
    }

    #[test]
    fn a_sane_id_is_taken() {
        assert_eq!(of(b"abc-DEF_123.4").as_str(), "abc-DEF_123.4");
        assert_eq!(of(&[b'x'; 128]).as_str().len(), 128);
    }

    #[test]
    fn an_id_that_is_not_sane_is_replaced() {
        for given in [&b""[..], b"two words", b"a\"b", b"a\\b", "é".as_bytes(), &[b'x'; 129]] {
            let id = of(given);
            assert_eq!(id.as_str().len(), 32, "{given:?}");
            assert!(id.as_str().bytes().all(|byte| byte.is_ascii_hexdigit()));
        }
    }

    #[test]
    fn made_ids_differ() {
        let ids: HashSet<String> =
            (0..1000).map(|_| RequestId::random().as_str().to_owned()).collect();
        assert_eq!(ids.len(), 1000);
    }

    #[test]
    fn a_traceparent_is_kept_only_in_its_own_form() {
        let kept = |text: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(TRACEPARENT, HeaderValue::from_static(text));
            traceparent(&headers).is_some()
        };
        assert!(kept("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"));
        assert!(!kept("00-0AF7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"));
        assert!(!kept("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-011"));
        assert!(!kept("00-0af7651916cd43dd8448eb211c80319cb-7ad6b7169203331-01"));
        assert!(!kept("x"));
    }
}
