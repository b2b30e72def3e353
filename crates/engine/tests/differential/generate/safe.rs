//! What must not be sent: commands that would stop a server, use up its
//! memory, or answer by the time at which they run.

/// Milliseconds within which no key may expire: no run takes so long.
const SOON: i64 = 100_000;

/// Bytes of the longest string that may come about by its offset.
const LONGEST: i64 = 20_000;

/// Elements that a random choice may have.
const MANY: i64 = 1000;

/// Milliseconds that cannot be added to any time.
const FOREVER: i64 = i64::MAX / 2;

/// Whether a command may be sent.
pub(super) fn is_safe(words: &[Vec<u8>]) -> bool {
    let upper: Vec<Vec<u8>> = words.iter().map(|word| word.to_ascii_uppercase()).collect();
    let word = |at: usize| upper.get(at).map(Vec::as_slice).unwrap_or_default();
    let number = |at: usize| parse(word(at));
    match word(0) {
        // The log of an attack: the server closes the connection.
        b"POST" | b"HOST:" => false,
        b"EXPIRE" | b"SETEX" => !soon(number(2), 1000),
        b"PEXPIRE" | b"PSETEX" => !soon(number(2), 1),
        // The server adds now to it, whatever comes out.
        b"RESTORE" => !soon(number(2), 1) && number(2).is_none_or(|n| n < FOREVER),
        b"SET" | b"GETEX" => (2..words.len()).all(|at| match word(at) {
            b"EX" => !soon(number(at + 1), 1000),
            b"PX" => !soon(number(at + 1), 1),
            _ => true,
        }),
        b"SETRANGE" => {
            let len = word(3).len() as i64;
            number(2).is_none_or(|n| n < LONGEST || len == 0 || n > (512 << 20) - len)
        }
        b"HRANDFIELD" => {
            number(2).is_none_or(|n| n > -MANY && !(MANY..FOREVER).contains(&n) || n == i64::MIN)
        }
        // Waits for replicas, of which there are none.
        b"WAIT" => number(1).is_none_or(|n| n <= 0),
        b"CLIENT" => match word(1) {
            b"KILL" | b"PAUSE" => words.len() < 3,
            b"TRACKING" => word(2) != b"ON",
            b"REPLY" => word(2) != b"OFF" && word(2) != b"SKIP",
            b"SETINFO" | b"NO-TOUCH" => false,
            _ => true,
        },
        // 7.0 takes the name even when it refuses what comes after it.
        b"HELLO" => {
            let names: Vec<usize> = (2..words.len()).filter(|&at| word(at) == b"SETNAME").collect();
            names.is_empty() || (names.len() == 1 && names[0] + 2 >= words.len())
        }
        b"MIGRATE" | b"WAITAOF" => false,
        // What a spoilt name might have become.
        b"MONITOR" | b"SHUTDOWN" | b"SUBSCRIBE" | b"SYNC" | b"PSYNC" | b"DEBUG" => false,
        _ => true,
    }
}

fn soon(number: Option<i64>, unit: i64) -> bool {
    number.is_some_and(|n| n > 0 && n.saturating_mul(unit) < SOON)
}

fn parse(word: &[u8]) -> Option<i64> {
    std::str::from_utf8(word).ok()?.trim().parse().ok()
}
