//! Which arguments are not to be shown: passwords.

use tuckbox_resp::Command;

use super::is;

/// What stands in their place.
pub(super) const REDACTED: &str = "(redacted)";

/// The parameters of `CONFIG SET` that are secret.
const PARAMETERS: [&str; 5] =
    ["requirepass", "masterauth", "masteruser", "tls-key-file-pass", "tls-client-key-file-pass"];

/// Whether argument `index` may be a password.
pub(super) fn hides(command: &Command, index: usize) -> bool {
    let name = command.name();
    let word = |index: usize, word| command.get(index).is_some_and(|arg| is(arg, word));
    if index == 0 {
        false
    } else if is(name, "auth") {
        true
    } else if is(name, "hello") {
        word(index - 1, "auth") || index >= 2 && word(index - 2, "auth")
    } else if is(name, "config") {
        PARAMETERS.iter().any(|&parameter| word(index - 1, parameter))
    } else if is(name, "acl") {
        index > 2 && word(1, "setuser")
    } else if is(name, "migrate") {
        let back = |count| index >= count && word(index - count, "auth2");
        word(index - 1, "auth") || back(1) || back(2)
    } else {
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tuckbox_resp::cmd;

    fn shown(command: &Command) -> String {
        let args = command.iter().enumerate().map(|(index, arg)| {
            if hides(command, index) { "*".to_owned() } else { String::from_utf8_lossy(arg).into() }
        });
        args.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn passwords_are_hidden_and_nothing_else() {
        for (command, wanted) in [
            (cmd!("AUTH", "secret"), "AUTH *"),
            (cmd!("AUTH", "default", "secret"), "AUTH * *"),
            (cmd!("HELLO", 3, "AUTH", "u", "p", "SETNAME", "me"), "HELLO 3 AUTH * * SETNAME me"),
            (
                cmd!("CONFIG", "SET", "timeout", 1, "RequirePass", "p"),
                "CONFIG SET timeout 1 RequirePass *",
            ),
            (cmd!("ACL", "SETUSER", "eve", "on", ">p"), "ACL SETUSER eve * *"),
            (
                cmd!("MIGRATE", "h", 1, "k", 0, 5, "AUTH2", "u", "p", "KEYS", "a"),
                "MIGRATE h 1 k 0 5 AUTH2 * * KEYS a",
            ),
            (cmd!("SET", "auth", "secret"), "SET auth secret"),
        ] {
            assert_eq!(shown(&command), wanted);
        }
    }
}
