//! The form of one line: JSON or human.

use std::{fmt, time::SystemTime};

use tracing::Level;

use super::stamp;

/// How lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    Human {
        colour: bool,
    },
    Json,
    /// JSON with the names that Google's Cloud Logging gives a meaning to.
    CloudLogging,
}

impl Style {
    fn is_json(self) -> bool {
        !matches!(self, Self::Human { .. })
    }

    /// The names of what every line has: time, level and part of the program. A field that is
    /// named like one of them must not hide it.
    fn own_names(self) -> [&'static str; 3] {
        match self {
            Self::CloudLogging => ["time", "severity", "target"],
            Self::Json | Self::Human { .. } => ["timestamp", "level", "target"],
        }
    }

    fn level_name(self, level: &Level) -> &'static str {
        match (self, *level) {
            (Self::CloudLogging, Level::TRACE | Level::DEBUG) => "DEBUG",
            (Self::CloudLogging, Level::WARN) => "WARNING",
            (_, level) => level.as_str(),
        }
    }
}

/// Longest text of one value, in bytes; what is beyond is cut and marked.
const VALUE_BYTES_MAX: usize = 8 << 10;

/// One line in the making.
pub(super) struct Line<'a> {
    out: &'a mut Vec<u8>,
    style: Style,
}

impl<'a> Line<'a> {
    /// Begins a line with what every line has. `target` says which part of the program speaks.
    pub(super) fn begin(
        out: &'a mut Vec<u8>,
        style: Style,
        time: SystemTime,
        level: &Level,
        target: &str,
    ) -> Self {
        match style {
            Style::Json | Style::CloudLogging => {
                let [time_name, level_name, target_name] = style.own_names();
                out.extend_from_slice(b"{\"");
                out.extend_from_slice(time_name.as_bytes());
                out.extend_from_slice(b"\":\"");
                stamp::append(out, time);
                let (level, target) = (style.level_name(level), target);
                for (name, value) in [(level_name, level), (target_name, target)] {
                    for part in ["\",\"", name, "\":\"", value] {
                        out.extend_from_slice(part.as_bytes());
                    }
                }
                out.push(b'"');
            }
            Style::Human { colour } => {
                paint(out, colour, DIM, |out| stamp::append(out, time));
                out.push(b' ');
                let name = level.as_str().as_bytes();
                out.extend(std::iter::repeat_n(b' ', 5_usize.saturating_sub(name.len())));
                paint(out, colour, level_colour(level), |out| out.extend_from_slice(name));
            }
        }
        Self { out, style }
    }

    pub(super) fn message(&mut self, text: impl fmt::Display) {
        match self.style {
            Style::Json | Style::CloudLogging => self.text("message", text),
            Style::Human { .. } => {
                self.out.push(b' ');
                append_escaped(self.out, self.style, text);
            }
        }
    }

    /// An object whose fields `fill` writes, in a style that has objects.
    pub(super) fn object(&mut self, name: &str, fill: impl FnOnce(&mut Self)) {
        append_name(self.out, self.style, name);
        let begin = self.out.len();
        fill(self);
        // Each field begins with a comma, the first one where the object does.
        if let Some(comma) = self.out.get_mut(begin) {
            *comma = b'{';
        }
        self.out.push(b'}');
    }

    pub(super) fn text(&mut self, name: &str, text: impl fmt::Display) {
        append_text(self.out, self.style, name, text);
    }

    pub(super) fn number(&mut self, name: &str, number: u64) {
        let mut digits = itoa::Buffer::new();
        append_plain(self.out, self.style, name, digits.format(number));
    }

    /// Numbers and words that need no quotes in JSON.
    pub(super) fn plain(&mut self, name: &str, text: &str) {
        append_plain(self.out, self.style, name, text);
    }

    /// Fields that were formed before, by [`append_text`] and [`append_plain`].
    pub(super) fn formed(&mut self, fields: &[u8]) {
        self.out.extend_from_slice(fields);
    }

    pub(super) fn out(&mut self) -> (&mut Vec<u8>, Style) {
        (self.out, self.style)
    }

    pub(super) fn end(self) {
        if self.style.is_json() {
            self.out.push(b'}');
        }
        self.out.push(b'\n');
    }
}

pub(super) fn append_text(out: &mut Vec<u8>, style: Style, name: &str, text: impl fmt::Display) {
    append_name(out, style, name);
    if style.is_json() {
        out.push(b'"');
        append_escaped(out, style, text);
        out.push(b'"');
    } else {
        append_escaped(out, style, text);
    }
}

pub(super) fn append_plain(out: &mut Vec<u8>, style: Style, name: &str, text: &str) {
    append_name(out, style, name);
    out.extend_from_slice(text.as_bytes());
}

fn append_name(out: &mut Vec<u8>, style: Style, name: &str) {
    match style {
        Style::Json | Style::CloudLogging => {
            out.extend_from_slice(b",\"");
            if style.own_names().contains(&name) {
                out.extend_from_slice(b"field_");
            }
            append_escaped(out, style, name);
            out.extend_from_slice(b"\":");
        }
        Style::Human { .. } => {
            out.push(b' ');
            out.extend_from_slice(name.as_bytes());
            out.push(b'=');
        }
    }
}

/// Appends `text` so that it stays within its line and its quotes, whatever it contains.
fn append_escaped(out: &mut Vec<u8>, style: Style, text: impl fmt::Display) {
    let mut writer = Escaped { room: VALUE_BYTES_MAX, out, style };
    // The writer fails only to stop the formatting of a text that is too long.
    if fmt::Write::write_fmt(&mut writer, format_args!("{text}")).is_err() {
        out.extend_from_slice("…".as_bytes());
    }
}

struct Escaped<'a> {
    out: &'a mut Vec<u8>,
    style: Style,
    room: usize,
}

impl fmt::Write for Escaped<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let plain = |byte: &u8| matches!(byte, 0x20..=0x7e) && *byte != b'"' && *byte != b'\\';
        if text.len() <= self.room && text.as_bytes().iter().all(plain) {
            self.room -= text.len();
            self.out.extend_from_slice(text.as_bytes());
            return Ok(());
        }
        text.chars().try_for_each(|character| self.write_char(character))
    }

    fn write_char(&mut self, character: char) -> fmt::Result {
        self.room = self.room.checked_sub(character.len_utf8()).ok_or(fmt::Error)?;
        let json = self.style.is_json();
        match character {
            '"' | '\\' if json => self.out.extend_from_slice(&[b'\\', character as u8]),
            '\n' => self.out.extend_from_slice(b"\\n"),
            '\r' => self.out.extend_from_slice(b"\\r"),
            '\t' => self.out.extend_from_slice(b"\\t"),
            // All control characters are below U+00A0: four digits hold them. The two separators
            // end a line for some readers.
            control if control.is_control() || matches!(control, '\u{2028}' | '\u{2029}') => {
                let code = format!("\\u{:04x}", u32::from(control));
                self.out.extend_from_slice(code.as_bytes());
            }
            other => self.out.extend_from_slice(other.encode_utf8(&mut [0; 4]).as_bytes()),
        }
        Ok(())
    }
}

pub(super) const DIM: &str = "2";
const RED: &str = "31";
const GREEN: &str = "32";
const YELLOW: &str = "33";
const BLUE: &str = "34";

fn level_colour(level: &Level) -> &'static str {
    match *level {
        Level::ERROR => RED,
        Level::WARN => YELLOW,
        Level::INFO => GREEN,
        Level::DEBUG => BLUE,
        Level::TRACE => DIM,
    }
}

fn paint(out: &mut Vec<u8>, colour: bool, code: &str, write: impl FnOnce(&mut Vec<u8>)) {
    if !colour {
        return write(out);
    }
    for part in ["\u{1b}[", code, "m"] {
        out.extend_from_slice(part.as_bytes());
    }
    write(out);
    out.extend_from_slice(b"\x1b[0m");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn escaped(style: Style, text: &str) -> String {
        let mut out = Vec::new();
        append_escaped(&mut out, style, text);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_value_cannot_break_out_of_json() {
        let hostile = "a\"b\\c\nd\u{0}e\u{1b}[31mf\u{9b}g\u{2028}é漢🙂";
        let line = format!("\"{}\"", escaped(Style::Json, hostile));
        assert_eq!(serde_json::from_str::<String>(&line).unwrap(), hostile);
        assert!(line.chars().all(|c| !c.is_control()));
    }

    #[test]
    fn a_value_cannot_speak_to_the_terminal_nor_forge_a_line() {
        let text = escaped(Style::Human { colour: true }, "x\u{1b}[2Jy\r\nz\u{9b}1m");
        assert_eq!(text, "x\\u001b[2Jy\\r\\nz\\u009b1m");
    }

    #[test]
    fn a_long_value_is_cut_and_marked() {
        let text = escaped(Style::Json, &"é".repeat(VALUE_BYTES_MAX));
        assert!(text.ends_with("é…"));
        assert_eq!(text.len(), VALUE_BYTES_MAX + "…".len());
    }
}
