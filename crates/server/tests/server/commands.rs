//! What the server tells of itself.

use tuckbox_resp::{Reply, cmd};
use tuckbox_test_redis::{Connection, until};

use crate::running::{Running, field, text};

fn info(connection: &mut Connection, section: &str) -> String {
    text(connection.call(&cmd!("INFO", section)))
}

#[test]
fn info_counts_what_was_done() {
    let server = Running::on_disk();
    let mut connection = server.connect();
    for _ in 0..3 {
        connection.call(&cmd!("SET", "a", 1));
    }
    connection.call(&cmd!("SELECT", 3));
    connection.call(&cmd!("SET", "b", 1));
    connection.call(&cmd!("HGET", "b", "f"));
    connection.call(&cmd!("GET"));
    let all = info(&mut connection, "everything");
    for (name, value) in [
        ("db0", "keys=1"),
        ("db3", "keys=1"),
        ("connected_clients", "1"),
        ("aof_enabled", "1"),
        ("errorstat_WRONGTYPE", "count=1"),
        ("total_error_replies", "2"),
        ("total_commands_processed", "6"),
        ("role", "master"),
        ("redis_mode", "standalone"),
    ] {
        assert_eq!(field(&all, name), Some(value), "{name}");
    }
    assert!(field(&all, "cmdstat_set").unwrap().starts_with("calls=4,"));
    assert!(field(&all, "cmdstat_hget").unwrap().ends_with("rejected_calls=0,failed_calls=1"));
    assert!(field(&all, "cmdstat_get").unwrap().ends_with("rejected_calls=1,failed_calls=0"));
    connection.call(&cmd!("CONFIG", "RESETSTAT"));
    let all = info(&mut connection, "all");
    assert_eq!(field(&all, "total_error_replies"), Some("0"));
    assert!(field(&all, "cmdstat_set").is_none());
}

#[test]
fn info_has_the_sections_that_are_asked_for() {
    let server = Running::in_memory();
    let mut connection = server.connect();
    let sections = |text: &str| -> Vec<String> {
        text.lines().filter_map(|line| line.strip_prefix("# ")).map(str::to_owned).collect()
    };
    assert_eq!(sections(&info(&mut connection, "server")), ["Server"]);
    assert_eq!(
        sections(&text(connection.call(&cmd!("INFO", "cpu", "keyspace")))),
        ["CPU", "Keyspace"]
    );
    assert_eq!(info(&mut connection, "nonsense"), "");
    let default = sections(&text(connection.call(&cmd!("INFO"))));
    assert!(
        default.contains(&"Memory".to_owned()) && !default.contains(&"Commandstats".to_owned())
    );
    assert!(sections(&info(&mut connection, "all")).contains(&"Commandstats".to_owned()));
}

#[test]
fn settings_are_changed_all_or_none() {
    let server = Running::in_memory();
    let mut connection = server.connect();
    let wrong = connection.call(&cmd!("CONFIG", "SET", "timeout", 5, "maxclients", "many"));
    assert_eq!(
        text(wrong),
        "ERR CONFIG SET failed (possibly related to argument 'maxclients') - argument couldn't be \
         parsed into an integer"
    );
    let get = cmd!("CONFIG", "GET", "timeou?");
    let wanted =
        |value: &str| Reply::Array(vec![Reply::bulk(b"timeout"), Reply::bulk(value.as_bytes())]);
    assert_eq!(connection.call(&get), wanted("0"));
    assert_eq!(connection.call(&cmd!("CONFIG", "SET", "TIMEOUT", 5, "maxclients", 50)), Reply::OK);
    assert_eq!(connection.call(&get), wanted("5"));
    let limits = "normal 0 0 0 slave 268435456 67108864 60 pubsub 1048576 8388608 60";
    let set = cmd!("CONFIG", "SET", "client-output-buffer-limit", "normal 0 0 0 pubsub 1mb 8mb 60");
    assert_eq!(connection.call(&set), Reply::OK);
    let got = connection.call(&cmd!("CONFIG", "GET", "client-output*")).into_array().unwrap();
    assert_eq!(got[1], Reply::bulk(limits.as_bytes()));
}

#[test]
fn the_command_table_is_told_of_what_is_here() {
    let server = Running::in_memory();
    let mut connection = server.connect();
    let all = connection.call(&cmd!("COMMAND")).into_array().unwrap();
    let count = connection.call(&cmd!("COMMAND", "COUNT")).into_integer().unwrap();
    assert_eq!(all.len() as i64, count);
    let get = connection.call(&cmd!("COMMAND", "INFO", "get", "nonsense")).into_array().unwrap();
    assert_eq!(get[1], Reply::Null);
    let get = get[0].clone().into_array().unwrap();
    assert_eq!(get[..2], [Reply::bulk(b"get"), Reply::Integer(2)]);
    assert_eq!(get[3..6], [Reply::Integer(1), Reply::Integer(1), Reply::Integer(1)]);
    // A client that asks for the documentation of everything gets it.
    connection.call(&cmd!("HELLO", 3));
    let docs = connection.call(&cmd!("COMMAND", "DOCS")).into_pairs().unwrap();
    assert_eq!(docs.len() as i64, count);
    // Every command that is told is one: none answers that it is unknown.
    for (name, _) in docs {
        let name = text(name);
        let reply = connection.call(&cmd!("COMMAND", "INFO", name.as_str())).into_array().unwrap();
        assert_ne!(reply[0], Reply::Null, "{name}");
    }
}

#[test]
fn who_monitors_sees_commands_as_they_were_run_and_no_passwords() {
    let server = Running::in_memory();
    let (mut watcher, mut client) = (server.connect(), server.connect());
    assert_eq!(watcher.call(&cmd!("MONITOR")), Reply::OK);
    client.call(&cmd!("SELECT", 2));
    client.call(&cmd!("SET", "a\n", "1"));
    client.call(&cmd!("MULTI"));
    client.call(&cmd!("GET", "a"));
    client.call(&cmd!("EXEC"));
    client.call(&cmd!("AUTH", "default", "secret"));
    client.call(&cmd!("CONFIG", "GET", "timeout"));
    client.call(&cmd!("GET", "end"));
    let mut seen = Vec::new();
    loop {
        let line = text(watcher.read_reply());
        let (stamp, what) = line.split_once(" [").unwrap();
        assert!(stamp.parse::<f64>().unwrap() > 1e9, "{line}");
        let (from, what) = what.split_once("] ").unwrap();
        assert!(from.contains(" 127.0.0.1:"), "{line}");
        seen.push(what.to_owned());
        if what.contains("end") {
            break;
        }
    }
    let wanted = [
        r#""SELECT" "2""#,
        r#""SET" "a\n" "1""#,
        r#""MULTI""#,
        r#""GET" "a""#,
        r#""EXEC""#,
        r#""AUTH" "(redacted)" "(redacted)""#,
        r#""GET" "end""#,
    ];
    assert_eq!(seen, wanted);
    assert_eq!(watcher.call(&cmd!("RESET")), Reply::Simple("RESET".into()));
    client.call(&cmd!("GET", "unseen"));
    assert_eq!(watcher.call(&cmd!("PING")), Reply::Simple("PONG".into()));
}

#[test]
fn slow_commands_are_kept() {
    let server = Running::in_memory();
    let mut connection = server.connect();
    connection.call(&cmd!("CONFIG", "SET", "slowlog-log-slower-than", 0, "slowlog-max-len", 3));
    connection.call(&cmd!("CLIENT", "SETNAME", "me"));
    connection.call(&cmd!("CONFIG", "SET", "requirepass", "secret", "timeout", 0));
    connection.call(&cmd!("GET", "a"));
    assert_eq!(connection.call(&cmd!("SLOWLOG", "LEN")), Reply::Integer(3));
    let entries = connection.call(&cmd!("SLOWLOG", "GET", 3)).into_array().unwrap();
    let entries: Vec<_> = entries.into_iter().map(|entry| entry.into_array().unwrap()).collect();
    let args = |words: &[&str]| -> Reply {
        Reply::Array(words.iter().map(|word| Reply::bulk(word.as_bytes())).collect())
    };
    assert_eq!(entries[0][3], args(&["SLOWLOG", "LEN"]));
    assert_eq!(entries[1][3], args(&["GET", "a"]));
    assert_eq!(entries[1][5], Reply::bulk(b"me"));
    // What administrators do is kept as well, without its secrets.
    let set = args(&["CONFIG", "SET", "requirepass", "(redacted)", "timeout", "0"]);
    assert_eq!(entries[2][3], set);
    assert_eq!(connection.call(&cmd!("SLOWLOG", "RESET")), Reply::OK);
    assert_eq!(connection.call(&cmd!("SLOWLOG", "LEN")), Reply::Integer(1));
}

#[test]
fn debug_does_what_does_no_harm() {
    let server = Running::in_memory();
    let mut connection = server.connect();
    connection.call(&cmd!("HELLO", 3));
    assert_eq!(connection.call(&cmd!("DEBUG", "SLEEP", 0)), Reply::OK);
    assert_eq!(connection.call(&cmd!("DEBUG", "PROTOCOL", "true")), Reply::Boolean(true));
    connection.call(&cmd!("SET", "a", 12));
    let object = text(connection.call(&cmd!("DEBUG", "OBJECT", "a")));
    assert_eq!(field(&object, "encoding"), Some("int"));
    assert_eq!(text(connection.call(&cmd!("DEBUG", "OBJECT", "b"))), "ERR no such key");
    assert!(
        text(connection.call(&cmd!("DEBUG", "SEGFAULT"))).starts_with("ERR unknown subcommand")
    );
}

#[test]
fn expiry_in_the_background_can_rest() {
    let server = Running::in_memory();
    let mut connection = server.connect();
    assert_eq!(connection.call(&cmd!("DEBUG", "SET-ACTIVE-EXPIRE", 0)), Reply::OK);
    let mut set = |name: &str| connection.call(&cmd!("SET", name, 1, "PX", 1));
    set("a");
    set("b");
    let size =
        |connection: &mut Connection| connection.call(&cmd!("DBSIZE")).into_integer().unwrap();
    until("the keys have expired", || connection.call(&cmd!("GET", "a")) == Reply::Null);
    assert_eq!(size(&mut connection), 1, "a command has met one of two");
    assert_eq!(connection.call(&cmd!("DEBUG", "SET-ACTIVE-EXPIRE", 1)), Reply::OK);
    until("it goes on", || size(&mut connection) == 0);
}

#[test]
fn what_the_server_does_not_do_is_refused_in_words() {
    let server = Running::in_memory();
    let mut connection = server.connect();
    for command in [
        cmd!("ACL", "SETUSER", "eve"),
        cmd!("CONFIG", "REWRITE"),
        cmd!("CONFIG", "SET", "maxmemory-policy", "allkeys-lru"),
        cmd!("CONFIG", "SET", "notify-keyspace-events", "KEA"),
        cmd!("CONFIG", "SET", "min-replicas-to-write", 1),
    ] {
        assert!(matches!(connection.call(&command), Reply::Error(_)), "{command:?}");
    }
    assert_eq!(connection.call(&cmd!("ACL", "WHOAMI")), Reply::bulk(b"default"));
}
