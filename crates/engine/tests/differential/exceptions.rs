//! Where replies may differ, and why.

/// How replies are compared that are not the same bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rule {
    /// The same elements in any order.
    AnyOrder,
    /// The same pairs in any order.
    PairsInAnyOrder,
    /// Numbers of seconds that differ by the time between the two calls.
    Seconds,
    /// Numbers of milliseconds that differ by the time between the two calls.
    Milliseconds,
    /// The same types and lengths all the way down.
    SameShape,
    /// The same type.
    SameType,
}

/// One command whose replies may differ.
pub(crate) struct Exception {
    /// As the command table names it.
    pub(crate) command: &'static str,
    pub(crate) rule: Rule,
    /// Why, and what is compared instead.
    #[expect(dead_code, reason = "for the reader")]
    pub(crate) reason: &'static str,
}

const fn except(command: &'static str, rule: Rule, reason: &'static str) -> Exception {
    Exception { command, rule, reason }
}

/// All of them. Errors are never excepted: they are the same everywhere, but
/// for bytes that are not printable.
pub(crate) const EXCEPTIONS: &[Exception] = &[
    except("client|help", Rule::SameType, "the words are ours"),
    except("client|id", Rule::SameType, "numbers of connections are each server's own"),
    except("client|info", Rule::SameType, "a description of each server's own"),
    except("client|list", Rule::SameType, "a description of each server's own"),
    except(
        "dbsize",
        Rule::SameType,
        "inside EXEC it may count what has expired; outside, expired \
        keys are swept on all sides before, and the numbers are the same",
    ),
    except("dump", Rule::SameType, "packing may differ; each side restores the other's payload"),
    except("expiretime", Rule::Seconds, "relative times count from each side's own now"),
    except("hello", Rule::SameShape, "id and version are each server's own"),
    except(
        "hgetall",
        Rule::PairsInAnyOrder,
        "a large hash has no order; that of a small one has its own test",
    ),
    except(
        "hkeys",
        Rule::AnyOrder,
        "a large hash has no order; that of a small one has its own test",
    ),
    except("hrandfield", Rule::SameShape, "random; the fields are looked up"),
    except("hscan", Rule::SameType, "cursors are each server's own; whole walks are compared"),
    except(
        "hvals",
        Rule::AnyOrder,
        "a large hash has no order; that of a small one has its own test",
    ),
    except("keys", Rule::AnyOrder, "keys have no order"),
    except("memory|usage", Rule::SameType, "each server's own memory"),
    except("memory|help", Rule::SameType, "the words are ours"),
    except("object|help", Rule::SameType, "the words are ours"),
    except("object|idletime", Rule::SameType, "depends on time; ours is always 0"),
    except("object|refcount", Rule::SameType, "Redis shares small integers between keys"),
    except("pexpiretime", Rule::Milliseconds, "relative times count from each side's own now"),
    except("pttl", Rule::Milliseconds, "time passes between the calls"),
    except("randomkey", Rule::SameShape, "random; the key is looked up"),
    except("scan", Rule::SameType, "cursors are each server's own; whole walks are compared"),
    except("time", Rule::SameShape, "time passes between the calls"),
    except("ttl", Rule::Seconds, "time passes between the calls"),
];

/// What an engine with files answers, inside `EXEC`, to a second walk through
/// keys that are not in memory. A deliberate deviation.
pub(crate) const ONE_WALK: &str = "ERR Only the first SCAN, KEYS or RANDOMKEY of a transaction";

/// The commands of the groups under test that are not generated, and why.
pub(crate) const NOT_GENERATED: &[(&str, &str)] = &[
    ("client|kill", "ends connections of a server, of which an engine has none"),
    ("client|pause", "holds the other server's replies for real"),
    ("client|no-touch", "not in 7.0"),
    ("client|setinfo", "not in 7.0"),
    ("migrate", "needs a second server; ours has none and says so"),
    ("waitaof", "not in 7.0"),
];
