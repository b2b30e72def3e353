//! `COMMAND`: what the command table says, of the commands that are here.

use tuckbox_engine::{has_command, matches};
use tuckbox_resp::{
    Command, ErrorReply, Reply,
    table::{self, ALL_COMMANDS, Categories, CommandSpec, Flags, KeySpec},
};

use super::{Answer, SYNTAX, access, docs, is, number, text};
use crate::host::is_of_the_server;

pub(super) fn run(subcommand: &str, command: &Command) -> Answer {
    match subcommand {
        "" => Ok(Reply::Array(all().map(info).collect())),
        "count" => Ok(number(all().count())),
        "docs" => Ok(docs::docs(command)),
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
pub(super) fn all() -> impl Iterator<Item = &'static CommandSpec> {
    ALL_COMMANDS.iter().filter(|spec| is_here(spec))
}

fn is_here(spec: &CommandSpec) -> bool {
    has_command(spec) || is_of_the_server(spec)
}

/// `get`, or `config|get`.
pub(super) fn find(name: &[u8]) -> Option<&'static CommandSpec> {
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
        Reply::Set(Vec::new()),
        Reply::Set(key_specs(spec)),
        match spec.subcommands {
            [] => Reply::Set(Vec::new()),
            subcommands => Reply::Array(subcommands.iter().map(info).collect()),
        },
    ])
}

/// Where a command's keys stand and what it does to them, as cluster clients read it:
/// a map for each range of them.
pub(super) fn key_specs(spec: &CommandSpec) -> Vec<Reply> {
    let flags = access::flags(spec);
    let range = |first: i64, last: i64, step: i64| {
        let range = vec![
            ("lastkey", Reply::Integer(last)),
            ("keystep", Reply::Integer(step)),
            ("limit", Reply::Integer(0)),
        ];
        (first, map(vec![("type", text("range")), ("spec", map(range))]))
    };
    let sure = |flags: &str, at| {
        let (first, find) = range(at, 0, 1);
        key_spec(flags, first, find)
    };
    let (first, find) = match spec.keys {
        KeySpec::None => return Vec::new(),
        // Two keys that different things are done to are two ranges.
        KeySpec::Range { first, last, .. } if flags.len() == 2 => {
            let each = [i64::from(first), i64::from(last)].into_iter().zip(flags);
            return each.map(|(at, flags)| sure(flags, at)).collect();
        }
        KeySpec::Range { first, last, step } => {
            // From the first key on when it counts from there.
            let last = if last < 0 { last.into() } else { i64::from(last) - i64::from(first) };
            range(i64::from(first), last, step.into())
        }
        KeySpec::NumKeys { at } => {
            let keynum = vec![
                ("keynumidx", Reply::Integer(0)),
                ("firstkey", Reply::Integer(1)),
                ("keystep", Reply::Integer(1)),
            ];
            (i64::from(at), map(vec![("type", text("keynum")), ("spec", map(keynum))]))
        }
        KeySpec::Sort => {
            // Beside the first, keys that patterns and STORE name.
            let mut specs = vec![sure(flags[0], 1), unknown(flags[0])];
            specs.extend(flags.get(1).map(|flags| unknown(flags)));
            return specs;
        }
        KeySpec::Migrate => return vec![sure(flags[0], 3), unknown(flags[0])],
        // More ways to find keys may come.
        _ => return vec![unknown(flags[0])],
    };
    vec![key_spec(flags[0], first, find)]
}

/// Keys of which nothing more is told than what is done to them.
fn unknown(flags: &str) -> Reply {
    let nothing = || map(vec![("type", text("unknown")), ("spec", map(Vec::new()))]);
    map(vec![("flags", flag_set(flags)), ("begin_search", nothing()), ("find_keys", nothing())])
}

fn key_spec(flags: &str, first: i64, find: Reply) -> Reply {
    let at = map(vec![("index", Reply::Integer(first))]);
    let begin = map(vec![("type", text("index")), ("spec", at)]);
    map(vec![("flags", flag_set(flags)), ("begin_search", begin), ("find_keys", find)])
}

fn map(pairs: Vec<(&str, Reply)>) -> Reply {
    Reply::Map(pairs.into_iter().map(|(name, value)| (text(name), value)).collect())
}

fn flag_set(flags: &str) -> Reply {
    Reply::Set(flags.split(' ').map(|flag| Reply::Simple(flag.to_owned().into())).collect())
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
    let keys = found.filter_map(|index| asked.get(index)).enumerate();
    let flags = access::flags_of(spec, &asked);
    let last = flags.len() - 1;
    let shaped: Vec<_> = keys
        .map(|(number, key)| shape(Reply::bulk(key), flag_set(flags[number.min(last)])))
        .collect();
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
