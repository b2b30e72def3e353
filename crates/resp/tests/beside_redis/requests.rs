//! What the request parser takes and refuses against what the server does.

use bytes::BytesMut;
use tuckbox_resp::{Command, ErrorReply, Limits, Reply, RequestError, RequestParser};

use crate::peer;

/// The limits the server runs with: it takes any number of arguments.
const LIMITS: Limits = Limits { args: i32::MAX as usize, ..Limits::REQUEST };

#[test]
fn requests_are_refused_in_the_words_of_the_server() {
    let Some(server) = peer::start() else { return };
    let endless = vec![b'1'; LIMITS.inline_len + 10];
    let refused = [
        b"*a\r\n".to_vec(),
        b"*\r\n".to_vec(),
        b"*+1\r\n".to_vec(),
        b"*01\r\n".to_vec(),
        b"*2147483648\r\n".to_vec(),
        b"*99999999999999999999\r\n".to_vec(),
        b"*1\r\n:1\r\n".to_vec(),
        b"*1\r\nx\r\n".to_vec(),
        b"*2\r\n$4\r\nPING\r\nPING\r\n".to_vec(),
        b"*1\r\n$-1\r\n".to_vec(),
        b"*1\r\n$\r\n".to_vec(),
        b"*1\r\n$4x\r\n".to_vec(),
        b"*1\r\n$536870913\r\n".to_vec(),
        b"SET a \"b\n".to_vec(),
        b"SET a 'b\n".to_vec(),
        b"SET \"a\"b\n".to_vec(),
        endless.clone(),
        [&b"*"[..], &endless].concat(),
        [&b"*1\r\n$"[..], &endless].concat(),
    ];
    for bytes in refused {
        let (commands, error) = parse(&bytes);
        assert!(commands.is_empty());
        let ours = ErrorReply::from(error.expect("an error"));
        let theirs = peer::answer_to(&server, &bytes);
        let shown = bytes[..bytes.len().min(40)].escape_ascii();
        assert_eq!(String::from_utf8_lossy(&theirs), format!("-{ours}\r\n"), "{shown}");
    }
}

#[test]
fn what_the_server_lets_pass_passes() {
    let Some(server) = peer::start() else { return };
    // Every command is a PING: the answers count them.
    let taken = [
        &b"*0\r\n*-1\r\n*-7\r\n\r\n \r\n\nPING\r\n"[..],
        b"PING\n  PING\r\n\x0b\x0cPING\t\r\n",
        b"*1\r\n$4\r\nPING\r\n*1\r\n$4\r\nPINGxxPING\r\n",
        b"*1\rx$4\rxPING\r\n",
        b"\"PING\"\r\n'PING'\r\nPI\"NG\"\r\n\"\\x50ING\"\r\n",
        b"*1\r\n$4\r\nPING\r",
        b"PING",
    ];
    for bytes in taken {
        let (commands, error) = parse(bytes);
        assert_eq!(error, None);
        assert!(commands.iter().all(|command| command.name() == b"PING"));
        let theirs = peer::answer_to(&server, bytes);
        assert_eq!(
            String::from_utf8_lossy(&theirs),
            "+PONG\r\n".repeat(commands.len()),
            "{}",
            bytes.escape_ascii()
        );
    }
}

#[test]
fn inline_words_are_split_as_the_server_splits_them() {
    let Some(server) = peer::start() else { return };
    let alphabet = b"\"\"''\\\\  xx0fFnrtba\t\x0b\xff";
    let mut connection = server.connect();
    let (mut split, mut refused) = (0, 0);
    let mut state: u64 = 7;
    for _ in 0..3000 {
        // The script answers its arguments; the words are under test.
        let mut line = b"EVAL \"return ARGV\" 0 ".to_vec();
        for _ in 0..12 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            line.push(alphabet[(state >> 33) as usize % alphabet.len()]);
        }
        line.extend_from_slice(b"\r\n");
        let (commands, error) = parse(&line);
        connection.send(&line);
        let theirs = connection.read_reply();
        let shown = line.escape_ascii();
        if let Some(error) = error {
            assert_eq!(theirs, Reply::Error(error.into()), "{shown}");
            connection = server.connect();
            refused += 1;
        } else {
            let ours = commands[0].iter_from(3).map(Reply::bulk).collect();
            assert_eq!(theirs, Reply::Array(ours), "{shown}");
            split += 1;
        }
    }
    assert!(split > 300 && refused > 300, "{split} split, {refused} refused");
}

fn parse(bytes: &[u8]) -> (Vec<Command>, Option<RequestError>) {
    let mut parser = RequestParser::new(LIMITS);
    let mut buf = BytesMut::from(bytes);
    let mut commands = Vec::new();
    loop {
        match parser.parse(&mut buf) {
            Ok(Some(command)) => commands.push(command),
            Ok(None) => return (commands, None),
            Err(error) => return (commands, Some(error)),
        }
    }
}
