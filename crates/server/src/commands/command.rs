//! `COMMAND`: what the command table says, of the commands that are here.

use tuckbox_engine::{has_command, matches};
use tuckbox_resp::{
    Command, ErrorReply, Reply,
    table::{self, ALL_COMMANDS, Categories, CommandSpec, Flags, KeySpec},
};

use super::{Answer, SYNTAX, is, number, text};
use crate::host::is_of_the_server;

pub(super) fn run(subcommand: &str, command: &Command) -> Answer {
    match subcommand {
        "" => Ok(Reply::Array(all().map(info).collect())),
        "count" => Ok(number(all().count())),
        "docs" => Ok(docs(command)),
        "getkeys" => keys(command, |key, _| key),
        "getkeysandflags" => keys(command, |key, flags| Reply::Array(vec![key, flags])),
        "info" if command.len() > 2 => {
            let found = command.iter_from(2).map(|name| find(name).map_or(Reply::Null, info));
            Ok(Reply::Array(found.collect()))
        }
        "info" => Ok(Reply::Array(all().map(info).collect())),
        "list" => list(command),
        _ => Err(SYNTAX.into()),
    }
}

/// The commands of this server.
fn all() -> impl Iterator<Item = &'static CommandSpec> {
    ALL_COMMANDS.iter().filter(|spec| is_here(spec))
}

fn is_here(spec: &CommandSpec) -> bool {
    has_command(spec) || is_of_the_server(spec)
}

/// `get`, or `config|get`.
fn find(name: &[u8]) -> Option<&'static CommandSpec> {
    let bar = name.iter().position(|&byte| byte == b'|');
    let (container, subcommand) = match bar {
        Some(bar) => (&name[..bar], Some(&name[bar + 1..])),
        None => (name, None),
    };
    let spec = table::lookup(container).filter(|spec| is_here(spec))?;
    match subcommand {
        Some(subcommand) => spec.subcommand(subcommand),
        None => Some(spec),
    }
}

/// What `COMMAND INFO` tells of a command: ten things, in Redis' order.
fn info(spec: &'static CommandSpec) -> Reply {
    let (first, last, step) = spec.keys.first_last_step();
    let categories = spec.categories().names().map(|name| Reply::Simple(format!("@{name}").into()));
    let flags = spec.flags.names().map(|name| Reply::Simple(name.into()));
    Reply::Array(vec![
        text(spec.name),
        Reply::Integer(spec.arity.into()),
        Reply::Set(flags.collect()),
        Reply::Integer(first),
        Reply::Integer(last),
        Reply::Integer(step),
        Reply::Set(categories.collect()),
        Reply::Array(Vec::new()),
        Reply::Array(key_spec(spec).into_iter().collect()),
        Reply::Array(spec.subcommands.iter().map(info).collect()),
    ])
}

/// Where a command's keys stand, as cluster clients read it.
fn key_spec(spec: &CommandSpec) -> Option<Reply> {
    let map = |pairs: Vec<(&str, Reply)>| {
        Reply::Map(pairs.into_iter().map(|(name, value)| (text(name), value)).collect())
    };
    let (first, find) = match spec.keys {
        KeySpec::None => return None,
        KeySpec::Range { first, last, step } => {
            // From the first key on when it counts from there.
            let last = if last < 0 { last.into() } else { i64::from(last) - i64::from(first) };
            let range = vec![
                ("lastkey", Reply::Integer(last)),
                ("keystep", Reply::Integer(step.into())),
                ("limit", Reply::Integer(0)),
            ];
            (i64::from(first), map(vec![("type", text("range")), ("spec", map(range))]))
        }
        KeySpec::NumKeys { at } => {
            let keynum = vec![
                ("keynumidx", Reply::Integer(0)),
                ("firstkey", Reply::Integer(1)),
                ("keystep", Reply::Integer(1)),
            ];
            (i64::from(at), map(vec![("type", text("keynum")), ("spec", map(keynum))]))
        }
        _ => (1, map(vec![("type", text("unknown")), ("spec", map(Vec::new()))])),
    };
    let at = map(vec![("index", Reply::Integer(first))]);
    let begin = map(vec![("type", text("index")), ("spec", at)]);
    Some(map(vec![("flags", access(spec)), ("begin_search", begin), ("find_keys", find)]))
}

/// What a command does to its keys. The table does not tell writes that look at
/// the old value from others: so all are said to.
fn access(spec: &CommandSpec) -> Reply {
    let flags: &[&str] = if spec.flags.contains(Flags::WRITE) {
        &["RW", "access", "update"]
    } else {
        &["RO", "access"]
    };
    Reply::Set(flags.iter().map(|&flag| Reply::Simple(flag.into())).collect())
}

fn docs(command: &Command) -> Reply {
    let entry = |spec: &'static CommandSpec| (text(spec.name), doc(spec));
    if command.len() <= 2 {
        return Reply::Map(all().map(entry).collect());
    }
    Reply::Map(command.iter_from(2).filter_map(find).map(entry).collect())
}

fn doc(spec: &'static CommandSpec) -> Reply {
    let mut pairs = vec![
        (text("summary"), text(spec.summary)),
        (text("since"), text(spec.since)),
        (text("group"), text(spec.group.name())),
        (text("complexity"), text(spec.complexity)),
    ];
    if !spec.subcommands.is_empty() {
        let subcommands = spec.subcommands.iter().map(|spec| (text(spec.name), doc(spec)));
        pairs.push((text("subcommands"), Reply::Map(subcommands.collect())));
    }
    Reply::Map(pairs)
}

/// The keys of the command that follows, each as `shape` makes it.
fn keys(command: &Command, shape: impl Fn(Reply, Reply) -> Reply) -> Answer {
    let mut asked = Command::new(&command[2]);
    command.iter_from(3).for_each(|arg| asked.push(arg));
    let asked = asked.build();
    let spec = table::lookup(asked.name()).filter(|spec| is_here(spec));
    let spec = spec.and_then(|spec| spec.resolve(&asked));
    let spec = spec.ok_or("ERR Invalid command specified")?;
    if spec.keys == KeySpec::None {
        return Err("ERR The command has no key arguments".into());
    }
    if !spec.arity_ok(asked.len()) {
        return Err("ERR Invalid number of arguments specified for command".into());
    }
    let found = spec.keys(&asked).map_err(|error| ErrorReply::from(error.text()))?;
    let keys = found.filter_map(|index| asked.get(index));
    let shaped: Vec<_> = keys.map(|key| shape(Reply::bulk(key), access(spec))).collect();
    if shaped.is_empty() && !spec.flags.contains(Flags::NO_MANDATORY_KEYS) {
        return Err("ERR Invalid arguments specified for command".into());
    }
    Ok(Reply::Array(shaped))
}

/// `COMMAND LIST [FILTERBY (MODULE|ACLCAT|PATTERN) what]`.
fn list(command: &Command) -> Answer {
    let subcommands = |spec: &'static CommandSpec| std::iter::once(spec).chain(spec.subcommands);
    let every = all().flat_map(subcommands);
    let names: Vec<&str> = match command.len() {
        2 => every.map(|spec| spec.name).collect(),
        5 if is(&command[2], "FILTERBY") => {
            let what = command[4].to_ascii_lowercase();
            match command[3].to_ascii_lowercase().as_slice() {
                b"module" => Vec::new(),
                b"aclcat" => {
                    let category = Categories::by_name(&what);
                    let among = |spec: &&CommandSpec| {
                        category.is_some_and(|category| spec.categories().contains(category))
                    };
                    every.filter(among).map(|spec| spec.name).collect()
                }
                b"pattern" => every
                    .map(|spec| spec.name)
                    .filter(|name| matches(&what, name.as_bytes()))
                    .collect(),
                _ => return Err(SYNTAX.into()),
            }
        }
        _ => return Err(SYNTAX.into()),
    };
    Ok(Reply::Array(names.into_iter().map(text).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tuckbox_resp::cmd;

    #[test]
    fn keys_are_told_of_well_formed_commands_only() {
        let keys = |command: &Command| run("getkeys", command);
        assert_eq!(
            keys(&cmd!("COMMAND", "GETKEYS", "MSET", "a", 1, "b", 2)),
            Ok(Reply::Array(vec![text("a"), text("b")]))
        );
        for (wrong, error) in [
            (cmd!("COMMAND", "GETKEYS", "nope", "a"), "ERR Invalid command specified"),
            (cmd!("COMMAND", "GETKEYS", "PING"), "ERR The command has no key arguments"),
            (
                cmd!("COMMAND", "GETKEYS", "GET"),
                "ERR Invalid number of arguments specified for command",
            ),
        ] {
            assert_eq!(keys(&wrong), Err(error.into()));
        }
    }

    #[test]
    fn a_subcommand_is_found_by_its_whole_name() {
        assert_eq!(find(b"CONFIG|get").map(|spec| spec.name), Some("config|get"));
        assert!(find(b"config|nope").is_none() && find(b"nope").is_none());
    }
}
