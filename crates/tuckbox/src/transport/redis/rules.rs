//! What may be sent again after its connection was lost.

use tuckbox_resp::{
    Command, Reply,
    table::{self, Flags},
};

/// Whether executing `command` twice is the same as once.
pub(super) fn is_read_only(command: &Command) -> bool {
    let is = |word: &[u8], wanted: &str| word.eq_ignore_ascii_case(wanted.as_bytes());
    let name = command.name();
    if ["PING", "ECHO", "ROLE"].iter().any(|harmless| is(name, harmless)) {
        return true;
    }
    let question = [("CLUSTER", "SLOTS"), ("SENTINEL", "GET-MASTER-ADDR-BY-NAME")];
    if let Some((_, asks)) = question.iter().find(|(container, _)| is(name, container)) {
        return command.get(1).is_some_and(|sub| is(sub, asks));
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

/// Whether the reply says that the connection is of no more use: its server was
/// demoted, or does not know us any more.
pub(super) fn ends_the_connection(reply: &Reply) -> bool {
    let unknown = matches!(reply, Reply::Error(error) if error.code() == "NOAUTH");
    unknown || is_of_a_demoted_server(reply)
}

/// Whether executing it runs a program, which may answer any error after it has
/// changed something.
pub(super) fn runs_a_program(command: &Command) -> bool {
    let begins = |start: &str| {
        let name = command.name().get(..start.len());
        name.is_some_and(|name| name.eq_ignore_ascii_case(start.as_bytes()))
    };
    begins("EVAL") || begins("FCALL")
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
