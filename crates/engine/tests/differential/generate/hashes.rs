//! The hash commands.

use super::{Entry, Words};

pub(super) const COMMANDS: &[Entry] = &[
    (10, "HDEL", |w| {
        w.hash_key();
        w.times(4, Words::field);
    }),
    (5, "HEXISTS", one),
    (10, "HGET", one),
    (10, "HGETALL", Words::hash_key),
    (9, "HINCRBY", |w| {
        one(w);
        w.integer();
    }),
    (12, "HINCRBYFLOAT", |w| {
        one(w);
        w.number();
    }),
    (4, "HKEYS", Words::hash_key),
    (5, "HLEN", Words::hash_key),
    (6, "HMGET", |w| {
        w.hash_key();
        w.times(5, Words::field);
    }),
    (6, "HMSET", set),
    (8, "HRANDFIELD", |w| {
        w.hash_key();
        w.maybe(2, |w| {
            w.integer();
            w.maybe(2, |w| w.word("WITHVALUES"));
        });
    }),
    (5, "HSCAN", |w| {
        w.hash_key();
        w.integer();
        for _ in 0..w.random.below(3) {
            w.either(&[
                |w| {
                    w.word("COUNT");
                    w.integer();
                },
                |w| {
                    w.word("MATCH");
                    w.pattern();
                },
                |w| w.option(&["TYPE", "COUNT", "NOVALUES"]),
            ]);
        }
    }),
    (30, "HSET", set),
    (5, "HSETNX", pairs_of_one),
    (4, "HSTRLEN", one),
    (4, "HVALS", Words::hash_key),
];

fn one(w: &mut Words) {
    w.hash_key();
    w.field();
}

fn pairs_of_one(w: &mut Words) {
    one(w);
    w.value();
}

/// Fields and values: few, or so many that a hash changes its form.
fn set(w: &mut Words) {
    w.hash_key();
    if w.random.one_in(25) {
        let from = w.random.below(50);
        for n in from..from + w.random.below(600) + 1 {
            w.push(format!("n{n}"));
            w.push(n.to_string());
        }
        return;
    }
    if w.random.one_in(50) {
        // More than a page of the store.
        let len = w.random.below(50_000);
        w.field();
        return w.push(vec![b'v'; len]);
    }
    w.times(4, |w| {
        w.field();
        w.value();
    });
}
