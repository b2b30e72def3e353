//! [`Header`]: the first line of a script, which names its engine and flags.

use tuckbox_resp::ErrorReply;

/// What a script says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    /// Bytes before the part that is Lua. The line break is part of Lua, so
    /// that lines keep their numbers.
    pub(super) len: usize,
    /// The script has a header.
    pub(super) present: bool,
    /// The script may not write.
    pub(super) no_writes: bool,
    /// The script may run when there is no memory left.
    pub(super) allow_oom: bool,
}

impl Header {
    /// Reads the header of `source`, if it has one.
    ///
    /// # Errors
    /// When the header is none of Redis'.
    pub(super) fn read(source: &[u8]) -> Result<Self, ErrorReply> {
        let mut header = Self { len: 0, present: false, no_writes: false, allow_oom: false };
        if !source.starts_with(b"#!") {
            return Ok(header);
        }
        let Some(len) = memchr::memchr(b'\n', source) else {
            return Err("ERR Invalid script shebang".into());
        };
        header.len = len;
        header.present = true;
        let line = String::from_utf8_lossy(&source[..len]);
        let mut words = line.split_ascii_whitespace();
        match words.next() {
            Some("#!lua") => {}
            Some(engine) => {
                return Err(format!("ERR Unexpected engine in script shebang: {engine}").into());
            }
            None => return Err("ERR Invalid engine in script shebang".into()),
        }
        for word in words {
            let Some(flags) = word.strip_prefix("flags=") else {
                return Err(format!("ERR Unknown lua shebang option: {word}").into());
            };
            for flag in flags.split(',').filter(|_| !flags.is_empty()) {
                match flag {
                    "no-writes" => header.no_writes = true,
                    "allow-oom" => header.allow_oom = true,
                    // There are no replicas and no cluster.
                    "allow-stale" | "no-cluster" | "allow-cross-slot-keys" => {}
                    _ => {
                        return Err(format!("ERR Unexpected flag in script shebang: {flag}").into());
                    }
                }
            }
        }
        Ok(header)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_are_read_and_lines_keep_their_numbers() {
        let source = b"#!lua flags=no-writes,allow-stale\nreturn 1";
        let header = Header::read(source).unwrap();
        assert!(header.present && header.no_writes && !header.allow_oom);
        assert_eq!(&source[header.len..], b"\nreturn 1");
        assert!(!Header::read(b"return 1").unwrap().present);
    }

    #[test]
    fn a_wrong_header_is_an_error() {
        for (source, error) in [
            ("#!lua", "ERR Invalid script shebang"),
            ("#!python\n", "ERR Unexpected engine in script shebang: #!python"),
            ("#!lua name=x\n", "ERR Unknown lua shebang option: name=x"),
            ("#!lua flags=no-writes,x\n", "ERR Unexpected flag in script shebang: x"),
        ] {
            assert_eq!(Header::read(source.as_bytes()).unwrap_err().text(), error);
        }
    }
}
