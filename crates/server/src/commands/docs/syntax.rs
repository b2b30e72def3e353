//! What the commands take, for `COMMAND DOCS`.
//!
//! | written | means |
//! |---|---|
//! | `word` | an argument; its type follows from its name, or stands after a colon |
//! | `WORD` | itself; with what follows it in the same brackets, the word before that |
//! | `a...` | once or more |
//! | `[a]` | or nothing |
//! | `(a b)` | together |
//! | `a \| b` | one of them |
//! | `name=[...]`, `name=(...)` | these are called so |
//! | `[WORD a]*` | each with its word |

/// Commands and what they take; those without arguments are not here.
pub(super) const SYNTAX: &[(&str, &str)] = &[
    ("acl|cat", "[category]"),
    ("acl|deluser", "username..."),
    ("acl|dryrun", "username command [arg...]"),
    ("acl|genpass", "[bits:integer]"),
    ("acl|getuser", "username"),
    ("acl|log", "operation=[count | RESET]"),
    ("acl|setuser", "username [rule...]"),
    ("append", "key value"),
    ("auth", "[username] password"),
    ("bgsave", "[SCHEDULE]"),
    ("client|caching", "mode=(YES | NO)"),
    (
        "client|kill",
        "filter=(ip-port:string | new-format=(ID client-id:integer | TYPE client-type=(NORMAL \
         | MASTER | REPLICA | PUBSUB) | USER username | ADDR addr | LADDR laddr | SKIPME \
         skipme=(YES | NO))...)",
    ),
    (
        "client|list",
        "[TYPE client-type=(NORMAL | MASTER | REPLICA | PUBSUB)] [ID client-id:integer...]",
    ),
    ("client|no-evict", "enabled=(ON | OFF)"),
    ("client|no-touch", "enabled=(ON | OFF)"),
    ("client|pause", "timeout mode=[WRITE | ALL]"),
    ("client|reply", "action=(ON | OFF | SKIP)"),
    ("client|setinfo", "attr=(LIB-NAME libname | LIB-VER libver)"),
    ("client|setname", "connection-name"),
    (
        "client|tracking",
        "status=(ON | OFF) [REDIRECT client-id:integer] [PREFIX prefix]* [BCAST] [OPTIN] [OPTOUT] \
         [NOLOOP]",
    ),
    ("client|unblock", "client-id:integer unblock-type=[TIMEOUT | ERROR]"),
    ("command|docs", "[command-name...]"),
    ("command|getkeys", "command [arg...]"),
    ("command|getkeysandflags", "command [arg...]"),
    ("command|info", "[command-name...]"),
    (
        "command|list",
        "[FILTERBY filterby=(MODULE module-name | ACLCAT category | PATTERN pattern)]",
    ),
    ("config|get", "parameter..."),
    ("config|set", "data=(parameter value)..."),
    ("copy", "source:key destination:key [DB destination-db:integer] [REPLACE]"),
    ("decr", "key"),
    ("decrby", "key decrement"),
    ("del", "key..."),
    ("dump", "key"),
    ("echo", "message"),
    ("eval", "script numkeys [key...] [arg...]"),
    ("eval_ro", "script numkeys [key...] [arg...]"),
    ("evalsha", "sha1 numkeys [key...] [arg...]"),
    ("evalsha_ro", "sha1 numkeys [key...] [arg...]"),
    ("exists", "key..."),
    ("expire", "key seconds condition=[NX | XX | GT | LT]"),
    ("expireat", "key unix-time-seconds condition=[NX | XX | GT | LT]"),
    ("expiretime", "key"),
    ("flushall", "flush-type=[ASYNC | SYNC]"),
    ("flushdb", "flush-type=[ASYNC | SYNC]"),
    ("get", "key"),
    ("getdel", "key"),
    (
        "getex",
        "key expiration=[EX seconds | PX milliseconds | EXAT unix-time-seconds | PXAT \
         unix-time-milliseconds | PERSIST]",
    ),
    ("getrange", "key start end"),
    ("getset", "key value"),
    ("hdel", "key field..."),
    ("hello", "arguments=[protover:integer [AUTH username password] [SETNAME clientname]]"),
    ("hexists", "key field"),
    ("hget", "key field"),
    ("hgetall", "key"),
    ("hincrby", "key field increment"),
    ("hincrbyfloat", "key field increment:double"),
    ("hkeys", "key"),
    ("hlen", "key"),
    ("hmget", "key field..."),
    ("hmset", "key data=(field value)..."),
    ("hrandfield", "key options=[count [WITHVALUES]]"),
    ("hscan", "key cursor [MATCH pattern] [COUNT count]"),
    ("hset", "key data=(field value)..."),
    ("hsetnx", "key field value"),
    ("hstrlen", "key field"),
    ("hvals", "key"),
    ("incr", "key"),
    ("incrby", "key increment"),
    ("incrbyfloat", "key increment:double"),
    ("info", "[section...]"),
    ("keys", "pattern"),
    ("latency|graph", "event"),
    ("latency|histogram", "[command...]"),
    ("latency|history", "event"),
    ("latency|reset", "[event...]"),
    ("lcs", "key1:key key2:key [LEN] [IDX] [MINMATCHLEN min-match-len:integer] [WITHMATCHLEN]"),
    ("lolwut", "[VERSION version:integer]"),
    ("memory|usage", "key [SAMPLES count]"),
    ("mget", "key..."),
    (
        "migrate",
        "host port key-selector=(key | empty-string:token) destination-db:integer timeout [COPY] \
         [REPLACE] authentication=[AUTH password | AUTH2 auth2=(username password)] [KEYS \
         keys:key...]",
    ),
    ("move", "key db"),
    ("mset", "data=(key value)..."),
    ("msetnx", "data=(key value)..."),
    ("object|encoding", "key"),
    ("object|freq", "key"),
    ("object|idletime", "key"),
    ("object|refcount", "key"),
    ("persist", "key"),
    ("pexpire", "key milliseconds condition=[NX | XX | GT | LT]"),
    ("pexpireat", "key unix-time-milliseconds condition=[NX | XX | GT | LT]"),
    ("pexpiretime", "key"),
    ("ping", "[message]"),
    ("psetex", "key milliseconds value"),
    ("pttl", "key"),
    ("rename", "key newkey:key"),
    ("renamenx", "key newkey:key"),
    (
        "restore",
        "key ttl serialized-value [REPLACE] [ABSTTL] [IDLETIME seconds] [FREQ frequency:integer]",
    ),
    ("scan", "cursor [MATCH pattern] [COUNT count] [TYPE type]"),
    ("script|debug", "mode=(YES | SYNC | NO)"),
    ("script|exists", "sha1..."),
    ("script|flush", "flush-type=[ASYNC | SYNC]"),
    ("script|load", "script"),
    ("select", "index"),
    (
        "set",
        "key value condition=[NX | XX] [GET] expiration=[EX seconds | PX milliseconds | EXAT \
         unix-time-seconds | PXAT unix-time-milliseconds | KEEPTTL]",
    ),
    ("setex", "key seconds value"),
    ("setnx", "key value"),
    ("setrange", "key offset value"),
    ("shutdown", "save-selector=[NOSAVE | SAVE] [NOW] [FORCE] [ABORT]"),
    ("slowlog|get", "[count]"),
    (
        "sort",
        "key [BY by-pattern:pattern] [LIMIT offset count] [GET get-pattern:pattern]* order=[ASC | \
         DESC] [ALPHA] [STORE destination:key]",
    ),
    (
        "sort_ro",
        "key [BY by-pattern:pattern] [LIMIT offset count] [GET get-pattern:pattern]* order=[ASC | \
         DESC] [ALPHA]",
    ),
    ("strlen", "key"),
    ("substr", "key start end"),
    ("swapdb", "index1:integer index2:integer"),
    ("touch", "key..."),
    ("ttl", "key"),
    ("type", "key"),
    ("unlink", "key..."),
    ("wait", "numreplicas:integer timeout"),
    ("waitaof", "numlocal:integer numreplicas:integer timeout"),
    ("watch", "key..."),
];
