//! Which slot a command belongs to.

use tuckbox_resp::{Command, table};

use crate::Error;

/// How many slots a cluster has.
pub(super) const SLOTS: usize = 16384;

/// The slot that all keys of `commands` share; `None` when there is no key.
///
/// # Errors
/// [`Error::CrossSlot`] when they are in several.
pub(super) fn slot_of(commands: &[Command]) -> Result<Option<u16>, Error> {
    let mut slot = None;
    for command in commands {
        for key in keys(command).filter_map(|index| command.get(index)) {
            let its = slot_of_key(key);
            if *slot.get_or_insert(its) != its {
                return Err(Error::CrossSlot);
            }
        }
    }
    Ok(slot)
}

/// The slot of a key: that of the part in its first braces, if there is any.
pub(super) fn slot_of_key(key: &[u8]) -> u16 {
    let tag = key.iter().position(|byte| *byte == b'{').and_then(|open| {
        let rest = key.get(open + 1..)?;
        let tag = rest.get(..rest.iter().position(|byte| *byte == b'}')?)?;
        (!tag.is_empty()).then_some(tag)
    });
    crc16(tag.unwrap_or(key)) % SLOTS as u16
}

/// The numbers of the arguments that are keys.
fn keys(command: &Command) -> impl Iterator<Item = usize> {
    // A wrong count of keys is for the server to complain of.
    let listed =
        table::lookup(command.name()).map(|spec| spec.keys(command).ok().into_iter().flatten());
    let guessed = if listed.is_none() { guess(command) } else { None };
    listed.into_iter().flatten().chain(guessed)
}

/// The first key of a command that the table does not have. Nearly all begin
/// with one; these do not.
fn guess(command: &Command) -> Option<usize> {
    const COUNT_FIRST: &[&str] =
        &["LMPOP", "SINTERCARD", "ZDIFF", "ZINTER", "ZINTERCARD", "ZMPOP", "ZUNION"];
    const SUBCOMMAND_FIRST: &[&str] = &["XGROUP", "XINFO"];
    const KEYLESS: &[&str] = &["CLUSTER", "LATENCY", "MODULE", "PUBLISH", "PUBSUB", "SENTINEL"];
    let is_one_of = |names: &[&str]| {
        names.iter().any(|name| command.name().eq_ignore_ascii_case(name.as_bytes()))
    };
    if is_one_of(&["XREAD", "XREADGROUP"]) {
        return Some(command.iter().position(|word| word.eq_ignore_ascii_case(b"STREAMS"))? + 1);
    }
    if is_one_of(COUNT_FIRST) || is_one_of(SUBCOMMAND_FIRST) {
        return Some(2);
    }
    (!is_one_of(KEYLESS)).then_some(1)
}

/// CRC-16/XMODEM, as the cluster specification defines slots by.
fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |crc: u16, byte| {
        let index = usize::from((crc >> 8) as u8 ^ byte);
        (crc << 8) ^ CRC16.get(index).copied().unwrap_or_default()
    })
}

/// The remainders of every byte by the polynomial 0x1021.
static CRC16: [u16; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut crc = (byte as u16) << 8;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 0x8000 == 0 { crc << 1 } else { (crc << 1) ^ 0x1021 };
            bit += 1;
        }
        table[byte] = crc;
        byte += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use tuckbox_resp::cmd;

    use super::*;

    #[test]
    fn the_checksum_is_the_specifications() {
        // The check value of the cluster specification, appendix A.
        assert_eq!(crc16(b"123456789"), 0x31C3);
        assert_eq!(crc16(b""), 0);
        // As CLUSTER KEYSLOT of redis-server 7.0.15 answers.
        assert_eq!(slot_of_key(b"foo"), 12182);
        assert_eq!(slot_of_key(b"bar"), 5061);
    }

    #[test]
    fn the_first_pair_of_braces_decides() {
        let tagged = slot_of_key(b"user1000");
        assert_eq!(slot_of_key(b"{user1000}.following"), tagged);
        assert_eq!(slot_of_key(b"{user1000}.followers"), tagged);
        assert_eq!(slot_of_key(b"foo{bar}{zap}"), slot_of_key(b"bar"));
        assert_eq!(slot_of_key(b"foo{{bar}}zap"), slot_of_key(b"{bar"));
        for whole in [&b"foo{}{bar}"[..], b"foo{bar", b"foo}bar{"] {
            assert_eq!(slot_of_key(whole), crc16(whole) % 16384);
        }
    }

    #[test]
    fn commands_go_by_their_keys() {
        let slot = |command| slot_of(&[command]).unwrap();
        let foo = Some(slot_of_key(b"foo"));
        for command in [
            cmd!("get", "foo"),
            cmd!("MSET", "foo", "x", "{foo}2", "y"),
            cmd!("EVALSHA", "0123", 1, "foo", "bar"),
            cmd!("OBJECT", "ENCODING", "foo"),
            cmd!("LPUSH", "foo", "x"),
            cmd!("ZMPOP", 1, "foo", "MIN"),
            cmd!("XINFO", "STREAM", "foo"),
            cmd!("XREAD", "COUNT", 1, "STREAMS", "foo", 0),
        ] {
            assert_eq!(slot(command.clone()), foo, "{command:?}");
        }
        for command in [
            cmd!("PING"),
            cmd!("SCAN", 0),
            cmd!("EVAL", "return 1", 0, "foo"),
            cmd!("EVAL", "return 1", "many", "foo"),
            cmd!("PUBLISH", "foo", "x"),
            cmd!("NOSUCHCOMMAND"),
        ] {
            assert_eq!(slot(command.clone()), None, "{command:?}");
        }
    }

    #[test]
    fn keys_in_several_slots_are_refused() {
        for commands in [
            vec![cmd!("DEL", "foo", "bar")],
            vec![cmd!("GET", "foo"), cmd!("PING"), cmd!("GET", "bar")],
        ] {
            let error = slot_of(&commands).unwrap_err();
            assert!(error.to_string().contains("{"), "{error}");
            assert!(!error.maybe_applied() && !error.is_transient());
        }
    }
}
