//! `COMMAND DOCS`: what each command does and takes.

mod syntax;

use tuckbox_resp::{
    Command, Reply,
    table::{CommandSpec, KeySpec},
};

use self::syntax::SYNTAX;
use super::{
    command::{all, find},
    number, text,
};

/// What a command takes: an argument, or several that belong together.
#[derive(Debug, Default, PartialEq, Eq)]
struct Arg {
    name: String,
    kind: &'static str,
    /// The word that stands before it, or that it is.
    token: Option<String>,
    optional: bool,
    multiple: bool,
    /// Each has the word before it.
    multiple_token: bool,
    parts: Vec<Arg>,
}

/// The types of arguments that are told by their name.
const TYPES: &[(&str, &[&str])] = &[
    ("key", &["key"]),
    ("pattern", &["pattern"]),
    ("unix-time", &["unix-time-seconds", "unix-time-milliseconds"]),
    (
        "integer",
        &[
            "count",
            "cursor",
            "db",
            "decrement",
            "end",
            "increment",
            "index",
            "milliseconds",
            "numkeys",
            "offset",
            "port",
            "seconds",
            "start",
            "timeout",
            "ttl",
        ],
    ),
];

pub(super) fn docs(command: &Command) -> Reply {
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
    if let Some((_, written)) = SYNTAX.iter().find(|(name, _)| *name == spec.name) {
        let args = read(written);
        let mut keys = 0;
        pairs.push((text("arguments"), Reply::Array(told(&args, spec, &mut keys))));
    }
    if !spec.subcommands.is_empty() {
        let subcommands = spec.subcommands.iter().map(|spec| (text(spec.name), doc(spec)));
        pairs.push((text("subcommands"), Reply::Map(subcommands.collect())));
    }
    Reply::Map(pairs)
}

/// Arguments as they are told; `keys` counts those that are keys.
fn told(args: &[Arg], spec: &CommandSpec, keys: &mut i64) -> Vec<Reply> {
    args.iter().map(|arg| arg.told(spec, keys)).collect()
}

impl Arg {
    fn told(&self, spec: &CommandSpec, keys: &mut i64) -> Reply {
        let mut pairs = vec![(text("name"), text(&self.name)), (text("type"), text(self.kind))];
        if self.parts.is_empty() && self.kind != "pure-token" {
            pairs.push((text("display_text"), text(&self.name)));
        }
        if self.kind == "key" && spec.keys != KeySpec::None {
            pairs.push((text("key_spec_index"), number((*keys).min(last_key_spec(spec)))));
            *keys += 1;
        }
        if let Some(token) = &self.token {
            pairs.push((text("token"), text(token)));
        }
        let flags = [
            ("optional", self.optional),
            ("multiple", self.multiple),
            ("multiple_token", self.multiple_token),
        ];
        let flags = flags.iter().filter(|(_, raised)| *raised);
        let flags: Vec<_> = flags.map(|(flag, _)| Reply::Simple((*flag).into())).collect();
        if !flags.is_empty() {
            pairs.push((text("flags"), Reply::Set(flags)));
        }
        if !self.parts.is_empty() {
            pairs.push((text("arguments"), Reply::Array(told(&self.parts, spec, keys))));
        }
        Reply::Map(pairs)
    }
}

/// The number of the last of a command's key specs.
fn last_key_spec(spec: &CommandSpec) -> i64 {
    let count = super::command::key_specs(spec).len();
    i64::try_from(count).map_or(0, |count| (count - 1).max(0))
}

/// Reads what is written in [`SYNTAX`].
fn read(written: &str) -> Vec<Arg> {
    let mut rest = written;
    let mut alternatives = read_alternatives(&mut rest);
    debug_assert!(rest.is_empty(), "{written}");
    alternatives.pop().unwrap_or_default()
}

/// Reads up to a closing bracket: what stands between bars.
fn read_alternatives(rest: &mut &str) -> Vec<Vec<Arg>> {
    let mut alternatives = vec![Vec::new()];
    loop {
        *rest = rest.trim_start();
        if rest.is_empty() || rest.starts_with([')', ']']) {
            return alternatives;
        }
        if let Some(after) = rest.strip_prefix('|') {
            *rest = after;
            alternatives.push(Vec::new());
        } else if let Some(last) = alternatives.last_mut() {
            last.push(read_one(rest));
        }
    }
}

/// Reads one word or pair of brackets, with what follows it.
fn read_one(rest: &mut &str) -> Arg {
    let end = rest.find(|c: char| " ()[]|".contains(c)).unwrap_or(rest.len());
    let (word, after) = rest.split_at(end);
    let mut arg = match after.chars().next() {
        Some(open @ ('(' | '[')) if word.is_empty() || word.ends_with('=') => {
            *rest = &after[1..];
            let alternatives = read_alternatives(rest);
            *rest = rest.get(1..).unwrap_or_default();
            let mut arg = joined(alternatives, word.trim_end_matches('='));
            arg.optional = open == '[';
            arg
        }
        _ => {
            *rest = after;
            return of_word(word);
        }
    };
    if let Some(after) = rest.strip_prefix("...") {
        *rest = after;
        arg.multiple = true;
    }
    if let Some(after) = rest.strip_prefix('*') {
        *rest = after;
        arg.multiple = true;
        arg.multiple_token = true;
    }
    arg
}

/// `key`, `key...`, `count:integer`, `NX`.
fn of_word(word: &str) -> Arg {
    let (word, multiple) = match word.strip_suffix("...") {
        Some(word) => (word, true),
        None => (word, false),
    };
    let base = Arg { multiple, ..Arg::default() };
    if word.chars().all(|c| !c.is_ascii_lowercase()) {
        let token = Some(word.to_owned());
        return Arg { name: word.to_ascii_lowercase(), kind: "pure-token", token, ..base };
    }
    let (name, wanted) = word.split_once(':').unwrap_or((word, word));
    let known = TYPES.iter().find(|(kind, names)| *kind == wanted || names.contains(&wanted));
    let kind = match (known, wanted) {
        (Some((kind, _)), _) => kind,
        (None, "double") => "double",
        (None, "token") => "pure-token",
        (None, _) => "string",
    };
    let token = (kind == "pure-token").then(String::new);
    Arg { name: name.to_owned(), kind, token, ..base }
}

/// What stands in a pair of brackets, as one argument called `name`.
fn joined(alternatives: Vec<Vec<Arg>>, name: &str) -> Arg {
    let mut each: Vec<Arg> = alternatives.into_iter().map(together).collect();
    let mut arg = match each.len() {
        1 => each.remove(0),
        _ => {
            let name = each[0].name.clone();
            Arg { name, kind: "oneof", parts: each, ..Arg::default() }
        }
    };
    if !name.is_empty() {
        arg.name = name.to_owned();
    }
    arg
}

/// What stands between two bars: a word before an argument is its token.
fn together(mut args: Vec<Arg>) -> Arg {
    if args.len() == 1 {
        return args.remove(0);
    }
    let is_token = args.first().is_some_and(|arg| arg.kind == "pure-token" && !arg.optional);
    if !is_token {
        let name = args.first().map(|arg| arg.name.clone()).unwrap_or_default();
        return Arg { name, kind: "block", parts: args, ..Arg::default() };
    }
    let token = args.remove(0);
    match args.len() {
        1 if args[0].token.is_none() => Arg { token: token.token, ..args.remove(0) },
        _ => Arg {
            name: token.name,
            kind: "block",
            token: token.token,
            parts: args,
            ..Arg::default()
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tuckbox_resp::table;

    /// What was read, written again.
    fn shown(arg: &Arg) -> String {
        let mut text = match (&arg.token, arg.kind) {
            (Some(token), "pure-token") => token.clone(),
            (Some(token), _) => format!("{token} "),
            (None, _) => String::new(),
        };
        let parts: Vec<_> = arg.parts.iter().map(shown).collect();
        match arg.kind {
            "pure-token" => {}
            "oneof" => text += &format!("({})", parts.join("|")),
            "block" => text += &format!("({})", parts.join(" ")),
            kind => text += &format!("{}:{kind}", arg.name),
        }
        if arg.multiple {
            text += "...";
        }
        if arg.optional { format!("[{text}]") } else { text }
    }

    #[test]
    fn what_is_written_is_read() {
        for (written, wanted) in [
            ("key value", "key:key value:string"),
            ("key...", "key:key..."),
            ("key condition=[NX | XX] [GET]", "key:key [(NX|XX)] [GET]"),
            ("e=[EX seconds | PERSIST]", "[(EX seconds:integer|PERSIST)]"),
            ("[LIMIT offset count]", "[LIMIT (offset:integer count:integer)]"),
            ("[GET p:pattern]*", "[GET p:pattern...]"),
            ("data=(key value)...", "(key:key value:string)..."),
            ("o=[count [WITHVALUES]]", "[(count:integer [WITHVALUES])]"),
        ] {
            let read: Vec<_> = read(written).iter().map(shown).collect();
            assert_eq!(read.join(" "), wanted);
        }
    }

    #[test]
    fn every_command_that_takes_something_says_what() {
        for spec in all().flat_map(|spec| std::iter::once(spec).chain(spec.subcommands)) {
            let own = 1 + spec.name.matches('|').count();
            let takes = spec.subcommands.is_empty() && usize::from(spec.arity.unsigned_abs()) > own;
            let said = SYNTAX.iter().any(|(name, _)| *name == spec.name);
            // What it takes depends on a subcommand that is none in the table.
            assert!(said || !takes || spec.name == "debug", "{}", spec.name);
        }
        for (name, _) in SYNTAX {
            let (container, subcommand) = name.split_once('|').unwrap_or((name, ""));
            let spec = table::lookup(container.as_bytes()).unwrap();
            assert!(subcommand.is_empty() || spec.subcommand(subcommand.as_bytes()).is_some());
        }
    }
}
