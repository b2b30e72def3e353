//! Compares what the two sides answered.

use bytes::BytesMut;
use tuckbox_resp::{Command, Protocol, Reply, table, write_reply};
use tuckbox_test_redis::Answer;

use crate::exceptions::{EXCEPTIONS, ONE_WALK, Rule};

/// What matters besides the two answers.
#[derive(Clone, Copy)]
pub(crate) struct Situation<'a> {
    /// The commands whose replies an `EXEC` answers.
    pub(crate) queued: &'a [Command],
    /// How far clocks may be apart.
    pub(crate) tolerance_ms: u64,
    /// Whether our side has files, so that keys may not be in memory.
    pub(crate) has_files: bool,
}

/// Whether the answers to `command` are the same, as far as they can be.
///
/// # Errors
/// What the two are, to be shown.
pub(crate) fn compare(
    command: &Command,
    theirs: &Answer,
    ours: &Answer,
    situation: Situation<'_>,
) -> Result<(), String> {
    if theirs.bytes == ours.bytes || allowed(command, &theirs.reply, &ours.reply, situation) {
        return Ok(());
    }
    Err(format!("Redis:   {}\nTuckbox: {}", theirs.bytes.escape_ascii(), ours.bytes.escape_ascii()))
}

/// The name under which the table knows a command: `client|id`.
pub(crate) fn name_of(command: &Command) -> &'static str {
    let spec = table::lookup(command.name());
    spec.map_or("", |spec| spec.resolve(command).map_or(spec.name, |exact| exact.name))
}

fn allowed(command: &Command, theirs: &Reply, ours: &Reply, situation: Situation<'_>) -> bool {
    if let (Reply::Error(theirs), Reply::Error(ours)) = (theirs, ours) {
        return printable(theirs.text()) == printable(ours.text());
    }
    let name = name_of(command);
    if name == "exec" {
        return transactions_match(theirs, ours, situation);
    }
    if name == "object|encoding" {
        return of_strings(theirs) && of_strings(ours);
    }
    let Some(exception) = EXCEPTIONS.iter().find(|exception| exception.command == name) else {
        return false;
    };
    let slack = situation.tolerance_ms;
    match exception.rule {
        Rule::AnyOrder => elements(theirs).is_some_and(|them| Some(them) == elements(ours)),
        Rule::PairsInAnyOrder => pairs(theirs).is_some_and(|them| Some(them) == pairs(ours)),
        Rule::Seconds => near(theirs, ours, 1 + slack.div_ceil(1000)),
        Rule::Milliseconds => near(theirs, ours, slack),
        Rule::SameShape => same_shape(theirs, ours),
        Rule::SameType => same_type(theirs, ours),
    }
}

/// An error's text without what no error can show: `?` for every row of bytes
/// that are not printable.
fn printable(text: &str) -> String {
    let mut shown = String::new();
    for c in text.chars() {
        let c = if c.is_ascii_graphic() || c == ' ' { c } else { '?' };
        if c != '?' || !shown.ends_with('?') {
            shown.push(c);
        }
    }
    shown
}

fn transactions_match(theirs: &Reply, ours: &Reply, situation: Situation<'_>) -> bool {
    let (Reply::Array(theirs), Reply::Array(ours)) = (theirs, ours) else { return false };
    if theirs.len() != ours.len() || theirs.len() != situation.queued.len() {
        return false;
    }
    // Redis changes the protocol in the middle of the reply, where only the
    // types of RESP2 are left to compare.
    let switches = situation.queued.iter().any(|command| name_of(command) == "hello");
    let inner = Situation { queued: &[], ..situation };
    situation.queued.iter().zip(theirs.iter().zip(ours)).all(|(command, (theirs, ours))| {
        let walk = matches!(name_of(command), "scan" | "keys" | "randomkey");
        if walk && matches!(ours, Reply::Error(error) if error.text().starts_with(ONE_WALK)) {
            return situation.has_files;
        }
        let (theirs, ours) = match switches {
            true => (flat(theirs), flat(ours)),
            false => (theirs.clone(), ours.clone()),
        };
        theirs == ours || allowed(command, &theirs, &ours, inner)
    })
}

/// A reply in the types of RESP2.
fn flat(reply: &Reply) -> Reply {
    match reply {
        Reply::NullArray => Reply::Null,
        Reply::Map(pairs) => {
            let both = |(key, value): &(Reply, Reply)| [key.clone(), value.clone()];
            flat(&Reply::Array(pairs.iter().flat_map(both).collect()))
        }
        // With values, HRANDFIELD nests its pairs in RESP3.
        Reply::Array(items) => Reply::Array(
            items
                .iter()
                .flat_map(|item| match flat(item) {
                    Reply::Array(inner) => inner,
                    other => vec![other],
                })
                .collect(),
        ),
        Reply::Verbatim { text, .. } => Reply::Bulk(text.clone()),
        other => other.clone(),
    }
}

/// Whether an encoding is one of strings, where ours follows from the content
/// and not from what made it: a deliberate deviation.
fn of_strings(reply: &Reply) -> bool {
    matches!(reply, Reply::Bulk(text) if matches!(&text[..], b"raw" | b"embstr" | b"int"))
}

fn near(theirs: &Reply, ours: &Reply, tolerance: u64) -> bool {
    match (theirs, ours) {
        (Reply::Integer(theirs @ 0..), Reply::Integer(ours @ 0..)) => {
            theirs.abs_diff(*ours) <= tolerance
        }
        _ => theirs == ours,
    }
}

fn same_type(theirs: &Reply, ours: &Reply) -> bool {
    std::mem::discriminant(theirs) == std::mem::discriminant(ours)
}

fn same_shape(theirs: &Reply, ours: &Reply) -> bool {
    match (theirs, ours) {
        (Reply::Array(theirs), Reply::Array(ours)) => {
            theirs.len() == ours.len() && theirs.iter().zip(ours).all(|(a, b)| same_shape(a, b))
        }
        (Reply::Map(theirs), Reply::Map(ours)) => {
            let same =
                |((a, b), (c, d)): (&(Reply, Reply), &(Reply, Reply))| a == c && same_shape(b, d);
            theirs.len() == ours.len() && theirs.iter().zip(ours).all(same)
        }
        _ => same_type(theirs, ours),
    }
}

/// The elements in an order of their own.
pub(crate) fn elements(reply: &Reply) -> Option<Vec<Vec<u8>>> {
    let items = reply.clone().into_array().ok()?;
    let mut items: Vec<_> = items.iter().map(written).collect();
    items.sort();
    Some(items)
}

/// The pairs in an order of their own.
pub(crate) fn pairs(reply: &Reply) -> Option<Vec<(Vec<u8>, Vec<u8>)>> {
    let pairs = reply.clone().into_pairs().ok()?;
    let mut pairs: Vec<_> = pairs.iter().map(|(a, b)| (written(a), written(b))).collect();
    pairs.sort();
    Some(pairs)
}

fn written(reply: &Reply) -> Vec<u8> {
    let mut bytes = BytesMut::new();
    write_reply(reply, Protocol::Resp3, &mut bytes);
    bytes.to_vec()
}
