//! The commands on keys of any type, and on whole logical databases.

use super::{Entry, Words};

pub(super) const COMMANDS: &[Entry] = &[
    (9, "COPY", |w| {
        two_keys(w);
        w.maybe(3, |w| {
            w.word("DB");
            w.db();
        });
        w.maybe(2, |w| w.word("REPLACE"));
    }),
    (10, "DEL", |w| w.times(3, Words::key)),
    (2, "DUMP", Words::key),
    (5, "EXISTS", |w| w.times(4, Words::key)),
    (6, "EXPIRE", |w| {
        w.key();
        w.seconds();
        conditions(w);
    }),
    (5, "EXPIREAT", |w| {
        w.key();
        w.at_seconds();
        conditions(w);
    }),
    (3, "EXPIRETIME", Words::key),
    (4, "KEYS", Words::pattern),
    (9, "MOVE", |w| {
        w.key();
        w.db();
    }),
    (12, "OBJECT", |w| {
        w.option(&[
            "ENCODING", "ENCODING", "ENCODING", "FREQ", "IDLETIME", "REFCOUNT", "HELP", "x",
        ]);
        w.key();
        w.maybe(20, |w| {
            w.key();
        });
    }),
    (1, "OBJECT", |w| w.word("HELP")),
    (5, "PERSIST", Words::key),
    (6, "PEXPIRE", |w| {
        w.key();
        w.milliseconds();
        conditions(w);
    }),
    (5, "PEXPIREAT", |w| {
        w.key();
        w.at_milliseconds();
        conditions(w);
    }),
    (3, "PEXPIRETIME", Words::key),
    (4, "PTTL", Words::key),
    (4, "RANDOMKEY", |_| {}),
    (8, "RENAME", two_keys),
    (6, "RENAMENX", two_keys),
    (5, "RESTORE", |w| {
        w.key();
        w.milliseconds();
        w.value();
        for _ in 0..w.random.below(4) {
            w.either(&[
                |w| w.option(&["REPLACE", "ABSTTL", "IDLETIME", "FREQ"]),
                |w| {
                    w.option(&["IDLETIME", "FREQ"]);
                    w.integer();
                },
            ]);
        }
    }),
    (5, "SCAN", |w| {
        w.integer();
        for _ in 0..w.random.below(4) {
            w.either(&[
                |w| {
                    w.word("COUNT");
                    w.integer();
                },
                |w| {
                    w.word("MATCH");
                    w.pattern();
                },
                |w| {
                    w.word("TYPE");
                    w.option(&["string", "hash", "list", "none", "x"]);
                },
            ]);
        }
    }),
    (5, "SORT", sort),
    (3, "SORT_RO", sort),
    (3, "TOUCH", |w| w.times(3, Words::key)),
    (4, "TTL", Words::key),
    (5, "TYPE", Words::key),
    (4, "UNLINK", |w| w.times(3, Words::key)),
    (3, "WAIT", |w| {
        w.integer();
        w.integer();
    }),
    (3, "MEMORY", |w| {
        w.word("USAGE");
        w.key();
        w.maybe(2, |w| {
            w.word("SAMPLES");
            w.integer();
        });
    }),
    (5, "DBSIZE", |_| {}),
    (1, "FLUSHALL", mode),
    (2, "FLUSHDB", mode),
    (5, "SWAPDB", |w| {
        w.db();
        w.db();
    }),
    (1, "TIME", |_| {}),
];

fn two_keys(w: &mut Words) {
    w.key();
    w.key();
}

fn conditions(w: &mut Words) {
    for _ in 0..w.random.below(3) {
        w.option(&["NX", "XX", "GT", "LT"]);
    }
}

fn mode(w: &mut Words) {
    w.maybe(2, |w| w.option(&["ASYNC", "SYNC", "x"]));
}

fn sort(w: &mut Words) {
    w.key();
    for _ in 0..w.random.below(4) {
        w.either(&[
            |w| w.option(&["ASC", "DESC", "ALPHA", "LIMIT", "GET", "BY", "STORE"]),
            |w| {
                w.word("LIMIT");
                w.integer();
                w.integer();
            },
            |w| {
                w.option(&["GET", "BY"]);
                w.option(&["nosort", "*", "#", "w_*", "h_*->f"]);
            },
            |w| {
                w.word("STORE");
                w.key();
            },
        ]);
    }
}
