//! Whatever is written can be read back, in pieces of any size, and whatever
//! comes in is at worst refused.

use bytes::{Bytes, BytesMut};
use proptest::{collection::vec, option, prelude::*};
use tuckbox_resp::{
    Command, ErrorReply, Limits, Protocol, Reply, ReplyError, ReplyParser, RequestError,
    RequestParser, write_command, write_reply,
};

const LIMITS: Limits =
    Limits { bulk_len: 1000, args: 100, inline_len: 200, total_len: 100_000, depth: 8 };

proptest! {
    #[test]
    fn a_reply_in_resp3_reads_back_as_itself(reply in replies(), cuts in vec(1..40usize, 1..20)) {
        let mut bytes = BytesMut::new();
        write_reply(&reply, Protocol::Resp3, &mut bytes);
        let read = read_replies(&bytes, &cuts, Limits::REPLY);
        prop_assert_eq!(read, Ok(vec![reply]));
    }

    #[test]
    fn a_reply_in_resp2_is_one_reply_that_writes_itself(
        reply in replies(),
        cuts in vec(1..40usize, 1..20),
    ) {
        let mut bytes = BytesMut::new();
        write_reply(&reply, Protocol::Resp2, &mut bytes);
        let read = read_replies(&bytes, &cuts, Limits::REPLY);
        prop_assert_eq!(read.as_ref().map(Vec::len), Ok(1));
        let mut again = BytesMut::new();
        for reply in read.iter().flatten() {
            write_reply(reply, Protocol::Resp2, &mut again);
        }
        prop_assert_eq!(again, bytes);
    }

    #[test]
    fn commands_read_back_as_themselves(
        commands in vec(commands(), 1..5),
        cuts in vec(1..40usize, 1..20),
    ) {
        let mut bytes = BytesMut::new();
        for command in &commands {
            write_command(command, &mut bytes);
        }
        let read = read_requests(&bytes, &cuts, Limits::REQUEST);
        prop_assert_eq!(read, (commands, None));
    }

    #[test]
    fn quoted_words_read_back_as_themselves(args in vec(vec(any::<u8>(), 0..20), 1..6)) {
        let mut line = Vec::new();
        for arg in &args {
            line.extend_from_slice(b"\"");
            for byte in arg {
                line.extend_from_slice(format!("\\x{byte:02x}").as_bytes());
            }
            line.extend_from_slice(b"\" ");
        }
        line.extend_from_slice(b"\r\n");
        let (read, error) = read_requests(&line, &[7], Limits::REQUEST);
        prop_assert_eq!(error, None);
        prop_assert_eq!(read.len(), 1);
        prop_assert!(read[0].iter().eq(args.iter().map(Vec::as_slice)));
    }

    #[test]
    fn pieces_of_any_size_make_the_same_requests(
        bytes in near_requests(),
        cuts in vec(1..9usize, 1..20),
    ) {
        let whole = read_requests(&bytes, &[usize::MAX], LIMITS);
        prop_assert_eq!(read_requests(&bytes, &cuts, LIMITS), whole);
    }

    #[test]
    fn pieces_of_any_size_make_the_same_replies(
        bytes in near_replies(),
        cuts in vec(1..9usize, 1..20),
    ) {
        let whole = read_replies(&bytes, &[usize::MAX], LIMITS);
        let pieces = read_replies(&bytes, &cuts, LIMITS);
        // A NaN does not equal itself.
        prop_assert_eq!(format!("{pieces:?}"), format!("{whole:?}"));
    }
}

/// Feeds `bytes` cut into pieces of the sizes in `cuts`, over and over.
fn pieces<'a>(bytes: &'a [u8], cuts: &'a [usize]) -> impl Iterator<Item = &'a [u8]> {
    let mut rest = bytes;
    cuts.iter().cycle().map_while(move |cut| {
        let (piece, more) = rest.split_at_checked(*cut).unwrap_or((rest, &[]));
        rest = more;
        (!piece.is_empty()).then_some(piece)
    })
}

fn read_replies(bytes: &[u8], cuts: &[usize], limits: Limits) -> Result<Vec<Reply>, ReplyError> {
    let mut parser = ReplyParser::new(limits);
    let mut buf = BytesMut::new();
    let mut replies = Vec::new();
    for piece in pieces(bytes, cuts) {
        buf.extend_from_slice(piece);
        while let Some(reply) = parser.parse(&mut buf)? {
            replies.push(reply);
        }
    }
    Ok(replies)
}

fn read_requests(
    bytes: &[u8],
    cuts: &[usize],
    limits: Limits,
) -> (Vec<Command>, Option<RequestError>) {
    let mut parser = RequestParser::new(limits);
    let mut buf = BytesMut::new();
    let mut commands = Vec::new();
    for piece in pieces(bytes, cuts) {
        buf.extend_from_slice(piece);
        loop {
            match parser.parse(&mut buf) {
                Ok(Some(command)) => commands.push(command),
                Ok(None) => break,
                Err(error) => return (commands, Some(error)),
            }
        }
    }
    (commands, None)
}

fn commands() -> impl Strategy<Value = Command> {
    vec(vec(any::<u8>(), 0..150), 1..12).prop_map(|args| {
        let mut builder = Command::new(args[0].as_slice());
        for arg in &args[1..] {
            builder.push(arg.as_slice());
        }
        builder.build()
    })
}

/// Replies of every type that RESP3 tells apart and that equal themselves.
fn replies() -> impl Strategy<Value = Reply> {
    let bytes = || vec(any::<u8>(), 0..120).prop_map(Bytes::from);
    let scalar = prop_oneof![
        "[^\r\n]{0,20}".prop_map(|text| Reply::Simple(text.into())),
        "[A-Z]{3,8} [^\r\n]{0,20}".prop_map(|text| Reply::Error(ErrorReply::from(text))),
        any::<i64>().prop_map(Reply::Integer),
        bytes().prop_map(Reply::Bulk),
        Just(Reply::Null),
        any::<f64>().prop_filter("equal to itself", |d| !d.is_nan()).prop_map(Reply::Double),
        any::<bool>().prop_map(Reply::Boolean),
        "-?[0-9]{1,40}".prop_map(Reply::BigNumber),
        ("[a-z]{3}", bytes()).prop_map(|(format, text)| {
            let format = [format.as_bytes()[0], format.as_bytes()[1], format.as_bytes()[2]];
            Reply::Verbatim { format, text }
        }),
    ];
    scalar.prop_recursive(4, 40, 6, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..6).prop_map(Reply::Array),
            vec(inner.clone(), 0..6).prop_map(Reply::Set),
            vec(inner.clone(), 0..6).prop_map(Reply::Push),
            vec((inner.clone(), inner), 0..4).prop_map(Reply::Map),
        ]
    })
}

/// Bytes that a request parser gets some way into.
fn near_requests() -> impl Strategy<Value = Vec<u8>> {
    near(&["*1\r\n", "*2\r\n", "*0\r\n", "$1\r\na\r\n", "$12\r\n", "$0\r\n\r\n", "GET a\n", "\"a"])
}

/// Bytes that a reply parser gets some way into.
fn near_replies() -> impl Strategy<Value = Vec<u8>> {
    near(&[
        "*1\r\n",
        "*2\r\n",
        "%1\r\n",
        "|1\r\n",
        "~1\r\n",
        ">1\r\n",
        "+a\r\n",
        ":1\r\n",
        "$1\r\na\r\n",
        "_\r\n",
        "#t\r\n",
        ",1.5\r\n",
        "(12\r\n",
        "=5\r\ntxt:a\r\n",
        "!1\r\na\r\n",
        "$-1\r\n",
    ])
}

fn near(parts: &'static [&'static str]) -> impl Strategy<Value = Vec<u8>> {
    let part = (prop::sample::select(parts), option::weighted(0.1, any::<(u8, u8)>()));
    let near = vec(part, 0..30).prop_map(|parts| {
        let mut bytes = Vec::new();
        for (part, change) in parts {
            bytes.extend_from_slice(part.as_bytes());
            if let Some((at, byte)) = change {
                let at = bytes.len() - 1 - usize::from(at) % part.len();
                bytes[at] = byte;
            }
        }
        bytes
    });
    prop_oneof![3 => near, 1 => vec(any::<u8>(), 0..300)]
}
