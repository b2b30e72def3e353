use super::*;
use crate::cmd;

fn keys_of(command: &Command) -> Result<Vec<Vec<u8>>, KeysError> {
    let spec = lookup(command.name()).expect("a known command");
    Ok(spec.keys(command)?.map(|i| command[i].to_vec()).collect())
}

#[test]
fn the_table_holds_each_group_in_full() {
    let count = |group| ALL_COMMANDS.iter().filter(|spec| spec.group == group).count();
    assert_eq!(count(Group::String), 22);
    assert_eq!(count(Group::Hash), 16);
    assert_eq!(count(Group::Generic), 29);
    assert_eq!(count(Group::Connection), 8);
    assert_eq!(count(Group::Transactions), 5);
    assert_eq!(count(Group::Server), 21);
    assert_eq!(count(Group::Scripting), 8);
    assert_eq!(COMMAND_COUNT, 109);
    let subcommands: usize = ALL_COMMANDS.iter().map(|spec| spec.subcommands.len()).sum();
    assert_eq!(subcommands, 80);
}

#[test]
fn every_command_is_found_by_its_name_in_any_case() {
    for (i, spec) in ALL_COMMANDS.iter().enumerate() {
        assert_eq!(spec.index(), i);
        for name in [spec.name.to_owned(), spec.name.to_ascii_uppercase()] {
            assert_eq!(lookup(name.as_bytes()).map(|s| s.index()), Some(i), "{name}");
        }
        for (i, sub) in spec.subcommands.iter().enumerate() {
            assert_eq!(sub.index(), i);
            assert_eq!(sub.name.split_once('|'), Some((spec.name, sub.own_name())));
            let upper = sub.own_name().to_ascii_uppercase();
            assert_eq!(spec.subcommand(upper.as_bytes()).map(|s| s.name), Some(sub.name));
        }
    }
}

#[test]
fn every_command_has_its_words() {
    for spec in ALL_COMMANDS.iter().flat_map(|s| std::iter::once(s).chain(s.subcommands)) {
        assert!(!spec.summary.is_empty() && !spec.complexity.is_empty(), "{}", spec.name);
        assert!(!spec.summary.ends_with('.'), "{}", spec.name);
        assert_ne!(spec.arity, 0, "{}", spec.name);
    }
}

#[test]
fn what_is_no_command_is_not_found() {
    for name in [&b""[..], b"g", b"getx", b"ge", b"get ", b"object|freq", &[0; 300], b"\xff\xff"] {
        assert!(lookup(name).is_none(), "{name:?}");
    }
}

#[test]
fn arity_is_exact_or_a_minimum() {
    let get = lookup(b"get").unwrap();
    assert!(get.arity_ok(2) && !get.arity_ok(1) && !get.arity_ok(3));
    let del = lookup(b"del").unwrap();
    assert!(!del.arity_ok(1) && del.arity_ok(2) && del.arity_ok(1000));
}

#[test]
fn keys_stand_where_the_spec_says() {
    assert_eq!(keys_of(&cmd!("GET", "a")).unwrap(), [b"a"]);
    assert_eq!(keys_of(&cmd!("del", "a", "b", "c")).unwrap(), [b"a", b"b", b"c"]);
    assert_eq!(keys_of(&cmd!("MSET", "a", 1, "b", 2)).unwrap(), [b"a", b"b"]);
    assert_eq!(keys_of(&cmd!("RENAME", "a", "b")).unwrap(), [b"a", b"b"]);
    assert!(keys_of(&cmd!("PING", "a")).unwrap().is_empty());
    assert!(keys_of(&cmd!("GET")).unwrap().is_empty());
    assert!(keys_of(&cmd!("MSET")).unwrap().is_empty());
}

#[test]
fn subcommands_have_keys_of_their_own() {
    assert_eq!(keys_of(&cmd!("OBJECT", "encoding", "a")).unwrap(), [b"a"]);
    assert_eq!(keys_of(&cmd!("memory", "USAGE", "a", "SAMPLES", 5)).unwrap(), [b"a"]);
    assert!(keys_of(&cmd!("OBJECT", "HELP")).unwrap().is_empty());
    assert!(keys_of(&cmd!("OBJECT", "nothing", "a")).unwrap().is_empty());
}

#[test]
fn a_script_counts_its_keys() {
    assert_eq!(keys_of(&cmd!("EVAL", "return 1", 2, "a", "b", "arg")).unwrap(), [b"a", b"b"]);
    assert!(keys_of(&cmd!("EVALSHA", "digest", 0, "arg")).unwrap().is_empty());
    assert_eq!(keys_of(&cmd!("EVAL", "x", 2, "a")), Err(KeysError::TooMany));
    assert_eq!(keys_of(&cmd!("EVAL", "x", -1, "a")), Err(KeysError::Negative));
    assert_eq!(keys_of(&cmd!("EVAL", "x", "y", "a")), Err(KeysError::NotANumber));
    assert_eq!(keys_of(&cmd!("EVAL", "x", "+1", "a")), Err(KeysError::NotANumber));
    assert_eq!(keys_of(&cmd!("EVAL", "x")), Err(KeysError::NoCount));
}

#[test]
fn sort_and_migrate_keep_keys_in_their_options() {
    assert_eq!(
        keys_of(&cmd!("SORT", "a", "BY", "STORE", "LIMIT", 0, 1, "STORE", "b")).unwrap(),
        [b"a", b"b"]
    );
    assert_eq!(keys_of(&cmd!("SORT", "a", "STORE")).unwrap(), [b"a"]);
    assert_eq!(keys_of(&cmd!("MIGRATE", "host", 6379, "a", 0, 1000)).unwrap(), [b"a"]);
    assert_eq!(
        keys_of(&cmd!("MIGRATE", "host", 6379, "", 0, 1, "AUTH", "KEYS", "KEYS", "a", "b"))
            .unwrap(),
        [b"a", b"b"]
    );
}

#[test]
fn a_container_resolves_to_its_subcommand() {
    let object = lookup(b"OBJECT").unwrap();
    let resolve = |command: Command| object.resolve(&command).map(|spec| spec.name);
    assert_eq!(resolve(cmd!("OBJECT", "Freq", "a")), Some("object|freq"));
    assert_eq!(resolve(cmd!("OBJECT", "nothing")), None);
    assert_eq!(resolve(cmd!("OBJECT")), Some("object"));
}

#[test]
fn categories_follow_from_flags_and_group() {
    let names = |name: &[u8]| lookup(name).unwrap().categories().names().collect::<Vec<_>>();
    assert_eq!(names(b"get"), ["read", "string", "fast"]);
    assert_eq!(names(b"flushall"), ["keyspace", "write", "slow", "dangerous"]);
    assert_eq!(names(b"eval_ro"), ["slow", "scripting"]);
    let string = Categories::by_name(b"String").unwrap();
    assert!(lookup(b"set").unwrap().categories().contains(string));
    assert_eq!(Categories::by_name(b"strings"), None);
}
