use super::*;

const SMALL: Limits = Limits { bulk_len: 100, args: 8, inline_len: 64, total_len: 400, depth: 3 };

/// What comes of `bytes` when they arrive whole and when one by one; it must
/// be the same.
fn parse_all(bytes: &[u8]) -> Result<Vec<Reply>, ReplyError> {
    let whole = feed(bytes.chunks(bytes.len().max(1)));
    let pieces = feed(bytes.chunks(1));
    assert_eq!(whole, pieces, "{}", bytes.escape_ascii());
    whole
}

fn feed<'a>(chunks: impl Iterator<Item = &'a [u8]>) -> Result<Vec<Reply>, ReplyError> {
    let mut parser = ReplyParser::new(SMALL);
    let mut buf = BytesMut::new();
    let mut replies = Vec::new();
    for chunk in chunks {
        buf.extend_from_slice(chunk);
        while let Some(reply) = parser.parse(&mut buf)? {
            replies.push(reply);
        }
    }
    assert_eq!(parser.is_between_replies() && buf.is_empty(), !replies.is_empty());
    Ok(replies)
}

fn parse_one(bytes: &[u8]) -> Reply {
    let mut replies = parse_all(bytes).expect("replies");
    assert_eq!(replies.len(), 1);
    replies.remove(0)
}

#[test]
fn every_type_is_understood() {
    let verbatim = Reply::Verbatim { format: *b"mkd", text: Bytes::from_static(b"# a") };
    let cases: [(&[u8], Reply); 24] = [
        (b"+OK\r\n", Reply::OK),
        (b"+\r\n", Reply::Simple("".into())),
        (b"-ERR no\r\n", Reply::error("ERR no")),
        (b"!6\r\nERR \r\n\r\n", Reply::error("ERR   ")),
        (b":5\r\n", Reply::Integer(5)),
        (b":+5\r\n", Reply::Integer(5)),
        (b":-9223372036854775808\r\n", Reply::Integer(i64::MIN)),
        (b"$0\r\n\r\n", Reply::bulk(b"")),
        (b"$2\r\n\r\n\r\n", Reply::bulk(b"\r\n")),
        (b"$-1\r\n", Reply::Null),
        (b"*-1\r\n", Reply::NullArray),
        (b"_\r\n", Reply::Null),
        (b"*0\r\n", Reply::Array(vec![])),
        (b"*2\r\n*1\r\n:1\r\n$1\r\na\r\n", {
            Reply::Array(vec![Reply::Array(vec![Reply::Integer(1)]), Reply::bulk(b"a")])
        }),
        (b"~1\r\n:1\r\n", Reply::Set(vec![Reply::Integer(1)])),
        (b">1\r\n:1\r\n", Reply::Push(vec![Reply::Integer(1)])),
        (b"%1\r\n+a\r\n*0\r\n", {
            Reply::Map(vec![(Reply::Simple("a".into()), Reply::Array(vec![]))])
        }),
        (b",1.5e+3\r\n", Reply::Double(1500.0)),
        (b",-inf\r\n", Reply::Double(f64::NEG_INFINITY)),
        (b"#t\r\n", Reply::Boolean(true)),
        (b"#f\r\n", Reply::Boolean(false)),
        (b"(-12345678901234567890\r\n", Reply::BigNumber("-12345678901234567890".into())),
        (b"=7\r\nmkd:# a\r\n", verbatim),
        (b"%0\r\n", Reply::Map(vec![])),
    ];
    for (bytes, reply) in cases {
        assert_eq!(parse_one(bytes), reply, "{}", bytes.escape_ascii());
    }
}

#[test]
fn attributes_are_dropped_wherever_they_stand() {
    assert_eq!(parse_one(b"|1\r\n+ttl\r\n:5\r\n$1\r\na\r\n"), Reply::bulk(b"a"));
    assert_eq!(
        parse_one(b"*2\r\n|1\r\n+a\r\n*1\r\n:1\r\n:7\r\n|0\r\n:8\r\n"),
        Reply::Array(vec![Reply::Integer(7), Reply::Integer(8)])
    );
}

#[test]
fn replies_follow_each_other() {
    let replies = parse_all(b"+OK\r\n$1\r\na\r\n*1\r\n:1\r\n:2\r\n").unwrap();
    assert_eq!(replies.len(), 4);
}

#[test]
fn what_is_no_reply_is_refused() {
    use ReplyError as E;
    let cases: [(&[u8], ReplyError); 22] = [
        (b"HTTP/1.1 200\r\n", E::UnknownType(b'H')),
        (b"$?\r\n", E::Streamed),
        (b"*?\r\n", E::Streamed),
        (b";4\r\n", E::Streamed),
        (b".\r\n", E::Streamed),
        (b"$-2\r\n", E::InvalidLength),
        (b"$x\r\n", E::InvalidLength),
        (b"%-1\r\n", E::InvalidLength),
        (b":x\r\n", E::InvalidInteger),
        (b":\r\n", E::InvalidInteger),
        (b",x\r\n", E::InvalidDouble),
        (b"#x\r\n", E::InvalidBoolean),
        (b"(1x\r\n", E::InvalidBigNumber),
        (b"(\r\n", E::InvalidBigNumber),
        (b"=3\r\ntxt\r\n", E::InvalidVerbatim),
        (b"_x\r\n", E::InvalidNull),
        (b"+a\rb\r\n", E::LineEnd),
        (b"$1\r\nabc", E::LineEnd),
        (b"$101\r\n", E::BulkTooLong),
        (b"*9\r\n", E::TooManyElements),
        (b"*1\r\n*1\r\n*1\r\n*1\r\n", E::TooDeep),
        (b"*5\r\n$99\r\n", E::LineEnd),
    ];
    for (bytes, error) in cases {
        let mut bytes = bytes.to_vec();
        if bytes.starts_with(b"*5") {
            // A string whose end is not where its length says.
            bytes.extend_from_slice(&[b'x'; 101]);
        }
        assert_eq!(parse_all(&bytes), Err(error), "{}", bytes.escape_ascii());
    }
}

#[test]
fn a_line_and_a_reply_are_bounded() {
    assert_eq!(parse_all(&[b'+'; 70]), Err(ReplyError::LineTooLong));
    let mut bytes = b"*8\r\n".to_vec();
    for _ in 0..4 {
        bytes.extend_from_slice(b"$98\r\n");
        bytes.extend_from_slice(&[b'x'; 98]);
        bytes.extend_from_slice(b"\r\n");
    }
    assert_eq!(parse_all(&bytes), Err(ReplyError::TooLarge));
}

#[test]
fn an_announced_length_allocates_nothing_yet() {
    let limits = Limits { depth: 100, ..Limits::REPLY };
    let mut parser = ReplyParser::new(limits);
    let mut buf = BytesMut::from("*2147483647\r\n".repeat(100).as_bytes());
    assert_eq!(parser.parse(&mut buf), Ok(None));
    assert!(parser.values.capacity() <= KEPT_ROOM);
}
