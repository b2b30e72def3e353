//! `DEBUG`: what suites and people ask for and what does no harm.

use std::time::Duration;

use bytes::Bytes;
use tuckbox_engine::Request;
use tuckbox_resp::{Reply, cmd};

use super::{Answer, is, number, shown, text};
use crate::{config::DebugFrom, host::Serving};

/// The longest `DEBUG SLEEP`, in seconds.
const SLEEP_MAX: f64 = 3600.0;

pub(super) fn run(serving: &mut Serving<'_>, request: &Request<'_>) -> Answer {
    let allowed = match serving.hall.settings.debug_from {
        DebugFrom::Nobody => false,
        DebugFrom::Local => serving.link.address.ip().is_loopback(),
        DebugFrom::Everybody => true,
    };
    if !allowed {
        return Err("ERR DEBUG command not allowed. If the enable-debug-command option is set to \
                    \"local\", you can run it from a local connection, otherwise you need to set \
                    this option in the configuration file, and then restart the server."
            .into());
    }
    let command = request.command;
    let subcommand = command.get(1).unwrap_or_default();
    match (subcommand.to_ascii_lowercase().as_slice(), command.len()) {
        (b"sleep", 3) => {
            let seconds = std::str::from_utf8(&command[2]).ok().and_then(|arg| arg.parse().ok());
            let seconds = seconds.filter(|seconds: &f64| seconds.is_finite()).unwrap_or(0.0);
            // All clients wait: that is what it is for.
            std::thread::sleep(Duration::from_secs_f64(seconds.clamp(0.0, SLEEP_MAX)));
            Ok(Reply::OK)
        }
        (b"error", 3) => Err(shown(&command[2]).into()),
        (b"help", 2) => Ok(Reply::Array(HELP.map(|line| Reply::Simple(line.into())).into())),
        (b"jmap" | b"log", _) => Ok(Reply::OK),
        (b"object", 3) => object(serving, request),
        (b"protocol", 3) if is(&command[2], "ATTRIB") => Ok(attribute(serving, request)),
        (b"protocol", 3) => protocol(&command[2]),
        (b"set-active-expire", 3) if ["0", "1"].iter().any(|switch| is(&command[2], switch)) => {
            serving.engine.set_active_expiry(is(&command[2], "1"));
            Ok(Reply::OK)
        }
        (b"stringmatch-len", 4) => {
            let length = std::str::from_utf8(&command[2]).ok().and_then(|arg| arg.parse().ok());
            let length: usize = length.unwrap_or(0).min(1 << 20);
            let found = tuckbox_engine::matches(&command[3], &vec![b'a'; length]);
            Ok(Reply::Integer(i64::from(found)))
        }
        _ => Err(format!(
            "ERR unknown subcommand or wrong number of arguments for '{}'. Try DEBUG HELP.",
            shown(subcommand)
        )
        .into()),
    }
}

/// `DEBUG OBJECT`: what there is to tell of a key's value.
fn object(serving: &mut Serving<'_>, request: &Request<'_>) -> Answer {
    if request.locked {
        return Err("ERR DEBUG OBJECT is not possible in a transaction".into());
    }
    let key = &request.command[2];
    let mut connection = serving.engine.connection();
    let db = request.connection.client().db();
    connection.execute(&cmd!("SELECT", db));
    let mut ask = |what| {
        let executed = connection.execute(&cmd!("OBJECT", what, key));
        serving.needs = serving.needs.max(executed.position);
        executed.reply
    };
    let encoding = match ask("ENCODING") {
        Reply::Bulk(encoding) => String::from_utf8_lossy(&encoding).into_owned(),
        Reply::Error(error) => return Err(error),
        _ => return Err("ERR no such key".into()),
    };
    let idle = match ask("IDLETIME") {
        Reply::Integer(idle) => format!(" lru_seconds_idle:{idle}"),
        _ => String::new(),
    };
    Ok(Reply::Simple(format!("Value at:0x0 refcount:1 encoding:{encoding}{idle}").into()))
}

const HELP: [&str; 17] = [
    "DEBUG <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
    "ERROR <text>",
    "    Answer this error.",
    "JMAP, LOG <text>",
    "    Do nothing.",
    "OBJECT <key>",
    "    Tell what there is to tell of the key's value.",
    "PROTOCOL <type>",
    "    Answer a reply of this type.",
    "SET-ACTIVE-EXPIRE (0|1)",
    "    Whether expired keys are removed though no command meets them.",
    "SLEEP <seconds>",
    "    Have all clients wait.",
    "STRINGMATCH-LEN <length> <pattern>",
    "    Tell whether so many letters a match.",
    "HELP",
    "    Print this help.",
];

/// `DEBUG PROTOCOL ATTRIB`: a reply with an attribute, which RESP2 has not.
fn attribute(serving: &mut Serving<'_>, request: &Request<'_>) -> Reply {
    if request.connection.is_resp3() && !request.locked {
        let attribute = b"|1\r\n$14\r\nkey-popularity\r\n*2\r\n$7\r\nkey:123\r\n:90\r\n";
        serving.link.output.buf.extend_from_slice(attribute);
    }
    text("Some real reply following the attribute")
}

/// The double of `DEBUG PROTOCOL`, which its clients' tests know.
#[expect(clippy::approx_constant, reason = "what Redis answers is not pi")]
const DOUBLE: f64 = 3.141;

/// `DEBUG PROTOCOL`: a reply of each type.
fn protocol(kind: &[u8]) -> Answer {
    let numbers = || (0..3).map(Reply::Integer).collect();
    Ok(match kind.to_ascii_lowercase().as_slice() {
        b"string" => text("Hello World"),
        b"integer" => Reply::Integer(12_345),
        b"double" => Reply::Double(DOUBLE),
        b"null" => Reply::Null,
        b"array" => Reply::Array(numbers()),
        b"set" => Reply::Set(numbers()),
        b"map" => Reply::Map((0..3).map(|n| (number(n), Reply::Boolean(n == 1))).collect()),
        b"verbatim" => Reply::Verbatim {
            format: *b"txt",
            text: Bytes::from_static(b"This is a verbatim\nstring"),
        },
        b"true" => Reply::Boolean(true),
        b"false" => Reply::Boolean(false),
        b"bignum" => Reply::BigNumber("1234567999999999999999999999999999999".to_owned()),
        _ => {
            return Err("ERR Wrong protocol type name. Please use one of the following: string|\
                        integer|double|bignum|null|array|set|map|attrib|verbatim|true|false"
                .into());
        }
    })
}
