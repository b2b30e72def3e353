//! Sharing sessions with an Express service: express-session's signed cookie and
//! connect-redis' JSON, so that services can move from Express one by one and
//! nobody is logged out.
//!
//! [`ConfigBuilder::express`](crate::ConfigBuilder::express) turns it on; handlers
//! use the same [`Session`](crate::Session). It follows express-session 1.19 and
//! connect-redis 9. The Express service must say `resave: false`, or its reads
//! write too.
//!
//! There a session is one text under `sess:{id}`, which Express reads whole and
//! writes whole. Ours is written only in place of the very text that it was made
//! from, and made again on the one that came between.
//!
//! # What must agree
//!
//! - The secrets, the cookie's name, the prefix, the store's `ttl` and the place
//!   of the user: see [`Express`].
//! - [`idle`](crate::ConfigBuilder::idle) and Express' `cookie.maxAge`. Without a
//!   `maxAge`, it is
//!   [`Cookies::until_browser_closes`](crate::Cookies::until_browser_closes).
//! - The cookie's other attributes. Express sends the cookie of a session that
//!   ours began with ours; if that is `Secure`, only where it sees HTTPS (its
//!   `trust proxy`, behind a proxy).
//!
//! # What holds
//!
//! - Writes of our services never undo each other, and never what Express wrote
//!   before; increments of our services that are answered all count.
//! - A logout of ours is not undone for our services: a mark stays beside the
//!   session, and what an Express request still writes is refused and deleted.
//! - A write of ours to a session that it has read is refused after a logout of
//!   either side. One that has read nothing is refused for a minute after a
//!   logout of ours, and begins no other session in its place.
//! - A login that fails leaves the session as it was.
//! - An id that is unknown or not signed is refused. A save is durable before the
//!   first byte of the response, and a failed one is 503.
//! - A value that is not changed keeps its bytes.
//! - A name that Express would lose, and the one that says who is logged in, are
//!   refused when the session is saved: [`BlobError::Name`], [`BlobError::User`].
//! - A read with its slide costs 1 command, a write after a read 1 more, a logout
//!   1, a new session 1.
//!
//! # What is weaker
//!
//! - An Express request that saves overwrites what was written since it read.
//! - After a logout of ours, a session that an Express request wrote once more
//!   lives for Express until one of our services meets it; after a logout of
//!   Express there is no mark, so it lives for ours as well, and a write of ours
//!   that has read nothing begins another session.
//! - A blind write costs 2 commands, and each write that came between 1 more;
//!   after 64 it is [`SessionError::Contended`](crate::SessionError::Contended). A
//!   login over a session costs 2, one after the other: should the process or its
//!   connection die between them, the user is logged out.
//! - A renewed id does not read any more: there is no grace, no schedule, and no
//!   alarm at re-use. There is no list of a user's sessions
//!   ([`SessionError::Unsupported`](crate::SessionError::Unsupported)), no limit of
//!   their number, no absolute time and no time of the login
//!   ([`is_recent`](crate::Session::is_recent) is `false` from the next request on).
//! - The store's keys are the ids themselves: who reads the store and knows the
//!   secret is in every session. Values are not sealed.
//! - Values that cannot be decoded stay where they are: Express may know better.
//! - connect-redis' options `serializer` and `disableTTL` are not supported, and
//!   of several cookies of the name, of which Express takes the first, none
//!   counts.

mod blob;
mod cookie;
mod date;
mod form;
mod object;

pub use blob::{Blob, BlobCookie, BlobError, DEFAULT_TTL_SECONDS, MAX_BLOB_BYTES};
pub use cookie::{Sid, SidSecrets, SidSecretsError};
pub use form::Express;
pub(crate) use form::ExpressForm;

/// The key of the mark that a session's end leaves, for the session's own key:
/// in the same slot of a cluster, and not what connect-redis looks for when it
/// lists its sessions.
#[must_use]
pub fn end_mark(key: &str) -> String {
    // In a cluster, braces around a part of a key say which part places it.
    if key.contains('{') { format!("ended:{key}") } else { format!("ended:{{{key}}}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mark_lies_beside_its_session_and_outside_its_prefix() {
        assert_eq!(end_mark("sess:abc"), "ended:{sess:abc}");
        assert_eq!(end_mark("{shop}sess:abc"), "ended:{shop}sess:abc");
    }
}
