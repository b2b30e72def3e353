//! Every type of reply the server can be made to send, read and written again.

use bytes::BytesMut;
use tuckbox_resp::{Protocol, Reply, cmd, write_command, write_reply};

use crate::peer;

const TYPES: [&str; 12] = [
    "string", "integer", "double", "null", "array", "set", "map", "bignum", "true", "false",
    "verbatim", "attrib",
];

#[test]
fn each_type_is_written_as_the_server_writes_it() {
    let Some(server) = peer::start() else { return };
    let mut connection = server.connect();
    peer::speak_resp3(&mut connection);
    for name in TYPES {
        let command = cmd!("DEBUG", "PROTOCOL", name);
        let mut request = BytesMut::new();
        write_command(&command, &mut request);
        let reply = connection.call(&command);
        assert!(!matches!(reply, Reply::Error(_)), "{name}: {reply:?}");

        // The same answer in RESP2 is our projection of the RESP3 one.
        let resp2 = peer::answer_to(&server, &request);
        let mut ours = BytesMut::new();
        write_reply(&reply, Protocol::Resp2, &mut ours);
        assert_eq!(resp2.escape_ascii().to_string(), ours.escape_ascii().to_string(), "{name}");

        // An attribute is dropped on the way in, so it is not written again.
        if name != "attrib" {
            let asked = [&b"*2\r\n$5\r\nHELLO\r\n$1\r\n3\r\n"[..], &request].concat();
            let resp3 = peer::answer_to(&server, &asked);
            ours.clear();
            write_reply(&reply, Protocol::Resp3, &mut ours);
            assert!(resp3.ends_with(&ours), "{name}: {}", resp3.escape_ascii());
        }
    }
}
