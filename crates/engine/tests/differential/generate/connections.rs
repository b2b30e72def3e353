//! The connection's own commands, and transactions.

use super::{Entry, Words};

pub(super) const COMMANDS: &[Entry] = &[
    (3, "AUTH", |w| w.times(3, credential)),
    (22, "CLIENT", client),
    (3, "ECHO", Words::value),
    (9, "HELLO", |w| {
        w.maybe(1, |w| w.option(&["2", "3", "3", "2", "4", "03", "x"]));
        for _ in 0..w.random.below(3) {
            w.either(&[
                |w| {
                    w.word("SETNAME");
                    name(w);
                },
                |w| {
                    w.word("AUTH");
                    credential(w);
                    credential(w);
                },
                |w| w.option(&["AUTH", "SETNAME", "x"]),
            ]);
        }
    }),
    (5, "PING", |w| w.maybe(2, Words::value)),
    (1, "QUIT", |w| w.maybe(4, Words::value)),
    (2, "RESET", |_| {}),
    (14, "SELECT", Words::db),
    (30, "MULTI", |_| {}),
    (45, "EXEC", |_| {}),
    (4, "DISCARD", |_| {}),
    (12, "WATCH", |w| w.times(3, Words::key)),
    (3, "UNWATCH", |_| {}),
];

fn credential(w: &mut Words) {
    w.either(&[|w| w.push("default"), |w| w.push("ada"), |w| w.push(""), Words::value]);
}

fn name(w: &mut Words) {
    w.option(&["ada", "", "with space", "new\nline", "~!", "\x7f", "é"]);
}

fn client(w: &mut Words) {
    w.either(&[
        |w| w.word("GETNAME"),
        |w| w.word("GETNAME"),
        |w| {
            w.word("SETNAME");
            name(w);
        },
        |w| {
            w.word("SETNAME");
            name(w);
        },
        |w| w.word("ID"),
        |w| w.word("INFO"),
        |w| {
            w.word("LIST");
            for _ in 0..w.random.below(3) {
                w.option(&["TYPE", "normal", "master", "replica", "pubsub", "x", "ID", "1", "0"]);
            }
        },
        |w| {
            w.option(&["NO-EVICT", "CACHING"]);
            w.option(&["ON", "OFF", "YES", "NO", "x"]);
        },
        |w| w.option(&["GETREDIR", "TRACKINGINFO", "HELP", "UNPAUSE", "x", ""]),
        |w| {
            w.word("REPLY");
            w.option(&["ON", "x"]);
        },
        |w| {
            w.word("TRACKING");
            w.option(&["OFF", "x"]);
            for _ in 0..w.random.below(3) {
                w.option(&["BCAST", "OPTIN", "OPTOUT", "NOLOOP", "REDIRECT", "PREFIX", "x", "0"]);
            }
        },
        |w| {
            w.word("UNBLOCK");
            w.integer();
            w.maybe(2, |w| w.option(&["ERROR", "TIMEOUT", "x"]));
        },
    ]);
}
