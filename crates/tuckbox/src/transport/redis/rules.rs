//! What may be sent again after its connection was lost.

use tuckbox_resp::{
    Command, Reply,
    table::{self, Flags},
};

/// Whether executing `command` twice is the same as once.
pub(super) fn is_read_only(command: &Command) -> bool {
    let name = command.name();
    if name.eq_ignore_ascii_case(b"PING") || name.eq_ignore_ascii_case(b"ECHO") {
        return true;
    }
    table::lookup(name)
        .and_then(|spec| spec.resolve(command))
        .is_some_and(|spec| spec.flags.contains(Flags::READONLY))
}

/// Whether the reply says that another server has taken over since we
/// connected: the name must be resolved anew.
pub(super) fn is_of_a_demoted_server(reply: &Reply) -> bool {
    match reply {
        Reply::Error(error) => matches!(error.code(), "READONLY" | "MASTERDOWN"),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use tuckbox_resp::cmd;

    use super::*;

    #[test]
    fn only_commands_that_change_nothing_are_read_only() {
        for command in [cmd!("get", "k"), cmd!("HGETALL", "k"), cmd!("PING"), cmd!("TTL", "k")] {
            assert!(is_read_only(&command), "{command:?}");
        }
        for command in
            [cmd!("SET", "k", "v"), cmd!("GETDEL", "k"), cmd!("INCR", "k"), cmd!("NEWCOMMAND")]
        {
            assert!(!is_read_only(&command), "{command:?}");
        }
    }
}
