//! What a connection shared by many calls cannot carry.

use tuckbox_resp::Command;

use crate::Error;

const USE_TRANSACTION: &str = "use Db::transaction";
const USE_URL: &str = "put it into the URL";
const STATE: &str = "it would change what other calls answer";
const BLOCKS: &str = "it would hold up every other call; poll with the variant that does not block";
const PUSHES: &str = "its messages belong to no call";

/// Commands that one call must not send on behalf of all.
const NOT_SHARED: &[(&str, &str)] = &[
    ("MULTI", USE_TRANSACTION),
    ("EXEC", USE_TRANSACTION),
    ("DISCARD", USE_TRANSACTION),
    ("WATCH", "another caller's transaction would use it up; a script can check and set"),
    ("UNWATCH", "nothing can be watched here"),
    ("SELECT", USE_URL),
    ("AUTH", USE_URL),
    ("HELLO", USE_URL),
    ("RESET", STATE),
    ("QUIT", "use Db::close"),
    ("READONLY", STATE),
    ("READWRITE", STATE),
    ("ASKING", STATE),
    ("MONITOR", PUSHES),
    ("SYNC", PUSHES),
    ("PSYNC", PUSHES),
    ("SUBSCRIBE", PUSHES),
    ("PSUBSCRIBE", PUSHES),
    ("SSUBSCRIBE", PUSHES),
    ("UNSUBSCRIBE", PUSHES),
    ("PUNSUBSCRIBE", PUSHES),
    ("SUNSUBSCRIBE", PUSHES),
    ("BLPOP", BLOCKS),
    ("BRPOP", BLOCKS),
    ("BLMOVE", BLOCKS),
    ("BRPOPLPUSH", BLOCKS),
    ("BLMPOP", BLOCKS),
    ("BZPOPMIN", BLOCKS),
    ("BZPOPMAX", BLOCKS),
    ("BZMPOP", BLOCKS),
    ("WAIT", BLOCKS),
    ("WAITAOF", BLOCKS),
];

/// Refuses what would disturb the other calls of a shared connection.
pub(super) fn check_shareable(command: &Command) -> Result<(), Error> {
    let name = command.name();
    let refuse = |command, hint| Err(Error::NotShared { command, hint });
    if let Some((name, hint)) = NOT_SHARED.iter().find(|(refused, _)| is(name, refused)) {
        return refuse(name, hint);
    }
    if is(name, "CLIENT") && command.get(1).is_some_and(|sub| is(sub, "REPLY")) {
        return refuse("CLIENT REPLY", "calls would wait for replies that never come");
    }
    if is(name, "CLIENT") && command.get(1).is_some_and(|sub| is(sub, "TRACKING")) {
        return refuse("CLIENT TRACKING", PUSHES);
    }
    if (is(name, "XREAD") || is(name, "XREADGROUP"))
        && command.iter().take_while(|arg| !is(arg, "STREAMS")).any(|arg| is(arg, "BLOCK"))
    {
        return refuse("XREAD BLOCK", BLOCKS);
    }
    Ok(())
}

fn is(name: &[u8], wanted: &str) -> bool {
    name.eq_ignore_ascii_case(wanted.as_bytes())
}

#[cfg(test)]
mod tests {
    use tuckbox_resp::cmd;

    use super::*;

    #[test]
    fn commands_that_change_a_connection_are_refused_with_a_hint() {
        for command in [
            cmd!("multi"),
            cmd!("Subscribe", "news"),
            cmd!("BLPOP", "list", 0),
            cmd!("client", "reply", "off"),
            cmd!("XREAD", "COUNT", 1, "BLOCK", 0, "STREAMS", "s", "$"),
        ] {
            let error = check_shareable(&command).unwrap_err();
            assert!(matches!(error, Error::NotShared { .. }), "{command:?}: {error}");
        }
    }

    #[test]
    fn ordinary_commands_pass() {
        for command in [
            cmd!("GET", "multi"),
            cmd!("PUBLISH", "news", "x"),
            cmd!("CLIENT", "ID"),
            cmd!("XREAD", "STREAMS", "BLOCK", "0"),
        ] {
            assert!(check_shareable(&command).is_ok(), "{command:?}");
        }
    }
}
