//! What the URLs of all transports have in common. A URL can hold a password,
//! so no error here repeats any part of one.

/// Why a URL cannot be opened. Never shows any of the URL but a known scheme.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UrlError {
    /// There is no `scheme:` in front.
    #[error("the store's URL has no scheme; it should look like redis://host:6379 or file:./data")]
    NoScheme,
    /// The scheme names no transport.
    #[error(
        "the store's URL has an unknown scheme; known are file:, memory:, redis:, \
        rediss:, redis+cluster:, redis+sentinel: and redis+unix:"
    )]
    UnknownScheme,
    /// The transport exists but was left out of this build.
    #[error("this build of tuckbox cannot open {scheme}: URLs; enable its feature {feature:?}")]
    NotCompiledIn {
        /// The scheme as given.
        scheme: &'static str,
        /// The cargo feature that brings it.
        feature: &'static str,
    },
    /// A part of the URL is not right.
    #[error("the store's URL is not valid: {0}")]
    Invalid(&'static str),
}

/// Replaces `%` and two hexadecimal digits by the byte they mean.
pub(crate) fn percent_decode(text: &str) -> Result<String, UrlError> {
    const BAD: UrlError =
        UrlError::Invalid("a % must be followed by two hexadecimal digits of UTF-8 text");
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let mut digit = || rest.next().and_then(|digit| char::from(digit).to_digit(16));
        let (Some(high), Some(low)) = (digit(), digit()) else { return Err(BAD) };
        bytes.push((high * 16 + low) as u8);
    }
    String::from_utf8(bytes).map_err(|_| BAD)
}
