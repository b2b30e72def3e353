//! `MONITOR`: every command as it was run.

use std::net::SocketAddr;

use tuckbox_resp::{Command, Reply};

use super::{Answer, is};
use crate::{host::Serving, server::Hall};

/// Bytes of commands that a monitoring client may be behind; then it is cut.
const BEHIND_MAX: usize = 32 << 20;

pub(super) fn begin(serving: &mut Serving<'_>) -> Answer {
    if !serving.link.monitors {
        serving.link.monitors = true;
        serving.hall.monitors.push(serving.index);
    }
    Ok(Reply::OK)
}

impl Hall {
    /// Shows a command to those who monitor.
    pub(crate) fn show_monitors(
        &mut self,
        unix_ms: u64,
        db: usize,
        address: SocketAddr,
        command: &Command,
    ) {
        let line = line(unix_ms, db, address, command);
        for &index in &self.monitors {
            // One whose own command this is, is not at its place; such commands
            // are not shown.
            let Some(peer) = self.peers.get_mut(index) else { continue };
            let output = &mut peer.link.output;
            // If there was something already, it is known that this is to be sent.
            let first = output.is_empty();
            output.buf.extend_from_slice(line.as_bytes());
            let behind = output.len() > BEHIND_MAX;
            peer.link.cut |= behind;
            if first || behind {
                self.touched.push(index);
            }
        }
    }
}

fn line(unix_ms: u64, db: usize, address: SocketAddr, command: &Command) -> String {
    let mut line = format!("+{}.{:03}000 [{db} {address}]", unix_ms / 1000, unix_ms % 1000);
    let secret = is_secret(command);
    for (index, arg) in command.iter().enumerate() {
        line.push_str(" \"");
        if secret && index > 0 {
            line.push_str("(redacted)");
        } else {
            quote(arg, &mut line);
        }
        line.push('"');
    }
    line.push_str("\r\n");
    line
}

/// Whether the arguments can hold a password.
pub(super) fn is_secret(command: &Command) -> bool {
    let name = command.name();
    let sets = |arg: &[u8]| is(arg, "requirepass") || is(arg, "masterauth");
    is(name, "auth")
        || is(name, "hello") && command.len() > 2
        || is(name, "config") && command.iter_from(2).any(sets)
}

/// Appends `bytes` as they are written between quotes.
fn quote(bytes: &[u8], line: &mut String) {
    for &byte in bytes {
        match byte {
            b'\\' | b'"' => line.extend(['\\', char::from(byte)]),
            b'\n' => line.push_str("\\n"),
            b'\r' => line.push_str("\\r"),
            b'\t' => line.push_str("\\t"),
            0x07 => line.push_str("\\a"),
            0x08 => line.push_str("\\b"),
            b' '..=b'~' => line.push(char::from(byte)),
            _ => line.push_str(&format!("\\x{byte:02x}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tuckbox_resp::cmd;

    #[test]
    fn arguments_are_shown_quoted_and_passwords_are_not() {
        let address = "127.0.0.1:9".parse().unwrap();
        let shown = |command: &Command| line(1_700_000_000_123, 2, address, command);
        assert_eq!(
            shown(&cmd!("set", "a\n\"", b"\x01\xff")),
            "+1700000000.123000 [2 127.0.0.1:9] \"set\" \"a\\n\\\"\" \"\\x01\\xff\"\r\n"
        );
        assert!(shown(&cmd!("AUTH", "x")).ends_with("\"AUTH\" \"(redacted)\"\r\n"));
        assert!(!shown(&cmd!("CONFIG", "SET", "RequirePass", "secret")).contains("secret"));
        assert!(!shown(&cmd!("HELLO", 3, "AUTH", "default", "secret")).contains("secret"));
    }
}
