//! `MONITOR`: every command as it was run.

use std::fmt::Display;

use tuckbox_engine::Request;
use tuckbox_resp::{Command, Reply};

use super::{
    Answer,
    secrets::{REDACTED, hides},
};
use crate::{host::Serving, server::Hall};

/// Bytes of commands that a monitoring client may be behind; then it is cut.
pub(crate) const BEHIND_MAX: usize = 32 << 20;

/// Has the client see every command. Not from within a transaction: its lines would
/// stand amid the replies.
pub(super) fn begin(serving: &mut Serving<'_>, request: &Request<'_>) -> Answer {
    if request.locked {
        return Err("ERR MONITOR isn't allowed for DENY BLOCKING client".into());
    }
    if !serving.link.monitors {
        serving.link.monitors = true;
        serving.hall.monitors.push(serving.index);
        serving.hall.heard.lock().monitored = true;
    }
    Ok(Reply::OK)
}

impl Hall {
    /// Forgets a connection that has monitored.
    pub(crate) fn forget_monitor(&mut self, index: usize) {
        self.monitors.retain(|&monitor| monitor != index);
        self.heard.lock().monitored = !self.monitors.is_empty();
    }

    /// Shows lines to those who monitor.
    pub(crate) fn show_monitors(&mut self, lines: &str) {
        for &index in &self.monitors {
            // One whose own command this is, is not at its place; such commands
            // are not shown.
            let Some(peer) = self.peers.get_mut(index) else { continue };
            let output = &mut peer.link.output;
            // If there was something already, it is known that this is to be sent.
            let first = output.is_empty();
            output.buf.extend_from_slice(lines.as_bytes());
            let behind = output.len() > BEHIND_MAX;
            if behind && !peer.link.cut {
                peer.link.cut = true;
                self.counters.cut_output += 1;
            }
            if first || behind {
                self.touched.push(index);
            }
        }
    }
}

/// A command as it is shown; `from` is the client's address.
pub(crate) fn line(unix_ms: u64, db: usize, from: &impl Display, command: &Command) -> String {
    let mut line = format!("+{}.{:03}000 [{db} {from}]", unix_ms / 1000, unix_ms % 1000);
    for (index, arg) in command.iter().enumerate() {
        line.push_str(" \"");
        if hides(command, index) {
            line.push_str(REDACTED);
        } else {
            quote(arg, &mut line);
        }
        line.push('"');
    }
    line.push_str("\r\n");
    line
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
        let shown = |command: &Command| line(1_700_000_000_123, 2, &"127.0.0.1:9", command);
        assert_eq!(
            shown(&cmd!("set", "a\n\"", b"\x01\xff")),
            "+1700000000.123000 [2 127.0.0.1:9] \"set\" \"a\\n\\\"\" \"\\x01\\xff\"\r\n"
        );
        assert!(shown(&cmd!("AUTH", "x")).ends_with("\"AUTH\" \"(redacted)\"\r\n"));
        assert!(!shown(&cmd!("CONFIG", "SET", "RequirePass", "secret")).contains("secret"));
        assert!(!shown(&cmd!("HELLO", 3, "AUTH", "default", "secret")).contains("secret"));
    }
}
