//! The string commands.

use super::{Entry, Words};

pub(super) const COMMANDS: &[Entry] = &[
    (8, "APPEND", |w| {
        w.string_key();
        w.value();
    }),
    (5, "DECR", Words::string_key),
    (6, "DECRBY", |w| {
        w.string_key();
        w.integer();
    }),
    (14, "GET", Words::string_key),
    (5, "GETDEL", Words::string_key),
    (9, "GETEX", |w| {
        w.string_key();
        w.maybe(1, expiry);
        w.maybe(8, expiry);
    }),
    (10, "GETRANGE", range),
    (6, "GETSET", |w| {
        w.string_key();
        w.value();
    }),
    (7, "INCR", Words::string_key),
    (8, "INCRBY", |w| {
        w.string_key();
        w.integer();
    }),
    (14, "INCRBYFLOAT", |w| {
        w.string_key();
        w.number();
    }),
    (6, "LCS", |w| {
        w.string_key();
        w.string_key();
        for _ in 0..w.random.below(5) {
            w.option(&["IDX", "LEN", "WITHMATCHLEN", "MINMATCHLEN"]);
            w.maybe(4, |w| {
                w.word("MINMATCHLEN");
                w.integer();
            });
        }
    }),
    (6, "MGET", |w| w.times(4, Words::key)),
    (6, "MSET", |w| w.times(3, pair)),
    (4, "MSETNX", |w| w.times(2, pair)),
    (4, "PSETEX", |w| {
        w.string_key();
        w.milliseconds();
        w.value();
    }),
    (40, "SET", |w| {
        w.string_key();
        w.value();
        match w.random.below(10) {
            0..4 => {}
            4..9 => w.times(2, set_option),
            _ => w.times(5, set_option),
        }
    }),
    (4, "SETEX", |w| {
        w.string_key();
        w.seconds();
        w.value();
    }),
    (6, "SETNX", |w| {
        w.string_key();
        w.value();
    }),
    (8, "SETRANGE", |w| {
        w.string_key();
        w.either(&[
            Words::integer,
            Words::integer,
            |w| w.push("536870912"),
            |w| {
                let offset = w.random.below(200);
                w.push(offset.to_string());
            },
        ]);
        w.value();
    }),
    (6, "STRLEN", Words::string_key),
    (3, "SUBSTR", range),
];

fn pair(w: &mut Words) {
    w.string_key();
    w.value();
}

fn range(w: &mut Words) {
    w.string_key();
    w.integer();
    w.integer();
}

fn set_option(w: &mut Words) {
    w.either(&[
        |w| w.word("NX"),
        |w| w.word("XX"),
        |w| w.word("GET"),
        |w| w.word("KEEPTTL"),
        expiry,
        expiry,
    ]);
}

/// What `SET` and `GETEX` say of the expiry.
fn expiry(w: &mut Words) {
    w.either(&[
        |w| {
            w.word("EX");
            w.seconds();
        },
        |w| {
            w.word("PX");
            w.milliseconds();
        },
        |w| {
            w.word("EXAT");
            w.at_seconds();
        },
        |w| {
            w.word("PXAT");
            w.at_milliseconds();
        },
        |w| w.word("PERSIST"),
        |w| w.option(&["EX", "PX", "PERSIST", "KEEPTTL"]),
    ]);
}
