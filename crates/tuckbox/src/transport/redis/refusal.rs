//! [`Refusal`]: a server does not accept our credentials.

use tuckbox_resp::{ErrorReply, Reply};

use super::{batch::Piece, rules, state::Replies};
use crate::{Error, terms::Terms};

/// A server does not accept our credentials.
pub(super) struct Refusal {
    pub(super) reply: ErrorReply,
    /// The call may be made again elsewhere: nothing of it was applied, or
    /// twice is the same as once.
    pub(super) repeatable: bool,
}

impl Refusal {
    /// The refusal in what became of `piece`.
    pub(super) fn find(
        result: &Result<Replies, Error>,
        piece: &Piece<'_>,
        terms: Terms,
    ) -> Option<Self> {
        match result {
            Ok(replies) => Self::among(replies, piece),
            Err(Error::Reply(reply)) if refuses_login(reply) => {
                Some(Self { reply: reply.clone(), repeatable: true })
            }
            // A part of the call got through before.
            Err(Error::Unavailable { cause, .. }) => {
                match cause.get_ref().and_then(|inner| inner.downcast_ref())? {
                    Error::Reply(reply) if refuses_login(reply) => {
                        Some(Self { reply: reply.clone(), repeatable: terms.idempotent })
                    }
                    _ => None,
                }
            }
            Err(_) => None,
        }
    }

    /// The refusal by a connection that was logged in, or needed not to be.
    fn among(replies: &Replies, piece: &Piece<'_>) -> Option<Self> {
        let mut refusals = replies.iter().filter_map(|reply| match reply {
            Reply::Error(error) if is_unknown(error) => Some(error),
            _ => None,
        });
        let reply = refusals.next()?.clone();
        // A program may answer the same words after it has changed something.
        let repeatable = 1 + refusals.count() == replies.len()
            && !piece.commands.iter().any(rules::runs_a_program);
        Some(Self { reply, repeatable })
    }
}

fn is_unknown(error: &ErrorReply) -> bool {
    matches!(error.code(), "NOAUTH" | "WRONGPASS")
}

/// Whether `error`, the answer to a login or to what we ask first, may be
/// otherwise with other credentials.
fn refuses_login(error: &ErrorReply) -> bool {
    // Redis before 6 has no code for it, nor has a server without passwords.
    let without_code = ["invalid password", "Client sent AUTH", "AUTH <password> called"];
    is_unknown(error)
        || error.code() == "NOPERM"
        || error.code() == "ERR" && without_code.iter().any(|words| error.text().contains(words))
}

#[cfg(test)]
mod tests {
    use tuckbox_resp::{Command, cmd};

    use super::*;

    /// Whether there is a refusal, and whether the call may be repeated.
    fn find(result: Result<&[Reply], Error>, commands: &[Command]) -> Option<bool> {
        let result = result.map(|replies| replies.iter().cloned().collect());
        let terms = Terms::new(std::time::Duration::ZERO);
        Refusal::find(&result, &Piece::plain(commands), terms).map(|refusal| refusal.repeatable)
    }

    #[test]
    fn a_login_is_refused_in_several_ways() {
        for text in [
            "WRONGPASS invalid username-password pair or user is disabled.",
            "NOAUTH HELLO must be called with the client already authenticated",
            "NOPERM User ada has no permissions to run the 'role' command",
            "ERR invalid password",
            "ERR Client sent AUTH, but no password is set",
        ] {
            assert_eq!(find(Err(Error::Reply(text.into())), &[cmd!("GET", "k")]), Some(true));
        }
        for text in ["ERR DB index is out of range", "LOADING Redis is loading", "READONLY x"] {
            assert_eq!(find(Err(Error::Reply(text.into())), &[cmd!("GET", "k")]), None, "{text}");
        }
    }

    #[test]
    fn only_what_was_refused_as_a_whole_is_repeated() {
        let (no, yes) = (Reply::error("NOAUTH Authentication required."), Reply::OK);
        let (set, eval) = (|| cmd!("SET", "k", 1), cmd!("eval", "return 1", 0));
        assert_eq!(find(Ok(std::slice::from_ref(&no)), &[set()]), Some(true));
        assert_eq!(find(Ok(&[no.clone(), no.clone()]), &[set(), set()]), Some(true));
        assert_eq!(find(Ok(&[yes.clone(), no.clone()]), &[set(), set()]), Some(false));
        assert_eq!(find(Ok(&[no]), &[eval]), Some(false), "a script may say so too");
        assert_eq!(find(Ok(&[yes]), &[set()]), None);
        // What a user may not do is no matter of the login.
        assert_eq!(find(Ok(&[Reply::error("NOPERM no")]), &[set()]), None);
    }

    #[test]
    fn a_refusal_behind_an_applied_part_is_found_and_not_repeated() {
        let refused = Error::Reply("WRONGPASS no".into()).with_applied(&"there");
        assert_eq!(find(Err(refused), &[cmd!("SET", "k", 1)]), Some(false));
        let away = Error::Reply("OOM no".into()).with_applied(&"there");
        assert_eq!(find(Err(away), &[cmd!("SET", "k", 1)]), None);
    }
}
