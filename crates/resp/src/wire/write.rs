//! Writers: replies and commands as RESP.

use bytes::{BufMut, BytesMut};

use super::{Protocol, double::write_double};
use crate::{Command, Reply};

/// Appends `reply` to `buf` in the dialect the client chose.
///
/// What RESP2 has no type for takes Redis' form there: a map is the flat array
/// of its keys and values, a set or push an array, a boolean 1 or 0, a double,
/// big number or verbatim string a bulk string.
///
/// Line breaks in a status or error become spaces: RESP could not carry them.
pub fn write_reply(reply: &Reply, protocol: Protocol, buf: &mut BytesMut) {
    let resp3 = protocol == Protocol::Resp3;
    match reply {
        Reply::Simple(text) => write_line(b'+', text, buf),
        Reply::Error(error) => write_line(b'-', error.text(), buf),
        Reply::Integer(value) => write_number(b':', *value, buf),
        Reply::Bulk(bytes) => write_bulk(bytes, buf),
        Reply::Null | Reply::NullArray if resp3 => buf.put_slice(b"_\r\n"),
        Reply::Null => buf.put_slice(b"$-1\r\n"),
        Reply::NullArray => buf.put_slice(b"*-1\r\n"),
        Reply::Array(items) => write_items(b'*', items, protocol, buf),
        Reply::Set(items) => write_items(if resp3 { b'~' } else { b'*' }, items, protocol, buf),
        Reply::Push(items) => write_items(if resp3 { b'>' } else { b'*' }, items, protocol, buf),
        Reply::Map(pairs) => write_pairs(pairs, protocol, buf),
        Reply::Double(value) => write_double_reply(*value, resp3, buf),
        Reply::Boolean(value) => buf.put_slice(match (resp3, value) {
            (true, true) => b"#t\r\n",
            (true, false) => b"#f\r\n",
            (false, true) => b":1\r\n",
            (false, false) => b":0\r\n",
        }),
        Reply::BigNumber(digits) if resp3 => write_line(b'(', digits, buf),
        Reply::BigNumber(digits) => write_bulk(digits.as_bytes(), buf),
        Reply::Verbatim { format, text } if resp3 => {
            write_len(b'=', text.len() + 4, buf);
            buf.put_slice(format);
            buf.put_u8(b':');
            buf.put_slice(text);
            buf.put_slice(b"\r\n");
        }
        Reply::Verbatim { text, .. } => write_bulk(text, buf),
    }
}

/// Appends `command` to `buf` as an array of bulk strings, as clients send it.
pub fn write_command(command: &Command, buf: &mut BytesMut) {
    let args = command.iter();
    // One reservation: each argument with a header of up to eight bytes.
    buf.reserve(16 + args.clone().map(|arg| arg.len() + 10).sum::<usize>());
    write_len(b'*', args.len(), buf);
    for arg in args {
        write_bulk(arg, buf);
    }
}

fn write_items(kind: u8, items: &[Reply], protocol: Protocol, buf: &mut BytesMut) {
    write_len(kind, items.len(), buf);
    for item in items {
        write_reply(item, protocol, buf);
    }
}

fn write_pairs(pairs: &[(Reply, Reply)], protocol: Protocol, buf: &mut BytesMut) {
    match protocol {
        Protocol::Resp2 => write_len(b'*', pairs.len() * 2, buf),
        Protocol::Resp3 => write_len(b'%', pairs.len(), buf),
    }
    for (key, value) in pairs {
        write_reply(key, protocol, buf);
        write_reply(value, protocol, buf);
    }
}

fn write_double_reply(value: f64, resp3: bool, buf: &mut BytesMut) {
    if resp3 {
        buf.put_u8(b',');
        write_double(value, buf);
        buf.put_slice(b"\r\n");
    } else {
        let mut text = BytesMut::with_capacity(32);
        write_double(value, &mut text);
        write_bulk(&text, buf);
    }
}

#[inline]
fn write_bulk(bytes: &[u8], buf: &mut BytesMut) {
    write_len(b'$', bytes.len(), buf);
    buf.put_slice(bytes);
    buf.put_slice(b"\r\n");
}

#[inline]
fn write_len(kind: u8, len: usize, buf: &mut BytesMut) {
    match len {
        // Nearly all lengths have one or two digits.
        0..10 => buf.put_slice(&[kind, b'0' + len as u8, b'\r', b'\n']),
        10..100 => {
            let (tens, ones) = (len as u8 / 10, len as u8 % 10);
            buf.put_slice(&[kind, b'0' + tens, b'0' + ones, b'\r', b'\n']);
        }
        _ => write_number(kind, len as i64, buf),
    }
}

#[inline]
fn write_number(kind: u8, value: i64, buf: &mut BytesMut) {
    let mut digits = itoa::Buffer::new();
    buf.put_u8(kind);
    buf.put_slice(digits.format(value).as_bytes());
    buf.put_slice(b"\r\n");
}

fn write_line(kind: u8, text: &str, buf: &mut BytesMut) {
    buf.put_u8(kind);
    let start = buf.len();
    buf.put_slice(text.as_bytes());
    if memchr::memchr2(b'\r', b'\n', text.as_bytes()).is_some() {
        for byte in &mut buf[start..] {
            if matches!(byte, b'\r' | b'\n') {
                *byte = b' ';
            }
        }
    }
    buf.put_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::cmd;

    fn both(reply: &Reply) -> (String, String) {
        let write = |protocol| {
            let mut buf = BytesMut::new();
            write_reply(reply, protocol, &mut buf);
            String::from_utf8(buf.to_vec()).unwrap()
        };
        (write(Protocol::Resp2), write(Protocol::Resp3))
    }

    #[test]
    fn every_type_has_its_form_in_both_dialects() {
        let pair = vec![(Reply::bulk(b"f"), Reply::Double(1.5))];
        let verbatim = Reply::Verbatim { format: *b"txt", text: Bytes::from_static(b"hi") };
        let cases = [
            (Reply::OK, "+OK\r\n", "+OK\r\n"),
            (Reply::error("ERR no"), "-ERR no\r\n", "-ERR no\r\n"),
            (Reply::Integer(-12), ":-12\r\n", ":-12\r\n"),
            (Reply::bulk(b"a\r\n"), "$3\r\na\r\n\r\n", "$3\r\na\r\n\r\n"),
            (Reply::Null, "$-1\r\n", "_\r\n"),
            (Reply::NullArray, "*-1\r\n", "_\r\n"),
            (Reply::Array(vec![Reply::Null]), "*1\r\n$-1\r\n", "*1\r\n_\r\n"),
            (Reply::Map(pair), "*2\r\n$1\r\nf\r\n$3\r\n1.5\r\n", "%1\r\n$1\r\nf\r\n,1.5\r\n"),
            (Reply::Set(vec![]), "*0\r\n", "~0\r\n"),
            (Reply::Push(vec![Reply::Integer(1)]), "*1\r\n:1\r\n", ">1\r\n:1\r\n"),
            (Reply::Boolean(true), ":1\r\n", "#t\r\n"),
            (Reply::Boolean(false), ":0\r\n", "#f\r\n"),
            (Reply::BigNumber("123".into()), "$3\r\n123\r\n", "(123\r\n"),
            (verbatim, "$2\r\nhi\r\n", "=6\r\ntxt:hi\r\n"),
        ];
        for (reply, resp2, resp3) in cases {
            assert_eq!(both(&reply), (resp2.to_owned(), resp3.to_owned()), "{reply:?}");
        }
    }

    #[test]
    fn lengths_of_any_size_are_written_in_full() {
        for len in [0, 9, 10, 99, 100, 12_345] {
            let (resp2, _) = both(&Reply::Bulk(Bytes::from(vec![b'x'; len])));
            assert!(resp2.starts_with(&format!("${len}\r\n")));
        }
    }

    #[test]
    fn a_status_cannot_break_its_line() {
        assert_eq!(both(&Reply::Simple("a\r\n+b".into())).0, "+a  +b\r\n");
    }

    #[test]
    fn commands_are_arrays_of_bulk_strings() {
        let mut buf = BytesMut::new();
        write_command(&cmd!("SET", "k", ""), &mut buf);
        assert_eq!(&buf[..], b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$0\r\n\r\n");
    }
}
