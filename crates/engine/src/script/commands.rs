//! The commands of this group.

use std::{fmt, panic::resume_unwind};

use mlua::Error;
use tuckbox_resp::{
    Command, ErrorReply, Reply,
    table::{CommandSpec, Flags, KeysError},
};

use super::{
    cache::{Cache, Script, Sha},
    header::Header,
    machine::Machine,
    stage::{Acting, Outcome, Terms},
    watch::{Kill, Watch},
};
use crate::{
    commands::{ScriptHandler, is},
    database::{Call, Database, Running},
};

/// The commands of this file and what runs them.
pub(crate) const COMMANDS: &[(&str, ScriptHandler)] = &[
    ("eval", eval),
    ("eval_ro", eval),
    ("evalsha", evalsha),
    ("evalsha_ro", evalsha),
    ("script", script),
];

const NO_SCRIPT: &str = "NOSCRIPT No matching script. Please use EVAL.";

/// The error of a script that began without memory left.
const OUT_OF_MEMORY: &str = "OOM allow-oom flag is not set on the script, can not run it when \
     used memory > 'maxmemory'";

/// All that a database has of scripts; made when the first comes.
#[derive(Default)]
pub(crate) struct Scripts {
    cache: Cache,
    machine: Option<Machine>,
}

impl fmt::Debug for Scripts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scripts").field("machine", &self.machine).finish_non_exhaustive()
    }
}

impl Scripts {
    /// How many scripts are kept.
    pub(crate) fn len(&self) -> usize {
        self.cache.len()
    }

    /// The machine, made if there is none.
    fn machine(&mut self, database: &Database) -> Result<&Machine, ErrorReply> {
        if self.machine.is_none() {
            let machine = Machine::new(database.options.script_memory);
            let machine = machine.map_err(|error| {
                ErrorReply::from(format!("ERR no machine for scripts could be made: {error}"))
            })?;
            self.machine = Some(machine);
        }
        self.machine.as_ref().ok_or_else(|| NO_SCRIPT.into())
    }

    /// Takes in a script, compiled.
    fn load(&mut self, database: &Database, source: &[u8]) -> Result<Sha, ErrorReply> {
        let sha = Sha::of(source);
        if !self.cache.contains(sha) {
            let header = Header::read(source)?;
            let function = self.machine(database)?.compile(&source[header.len..]);
            if function.is_err() {
                // What is left of it must not keep others from being compiled.
                self.tidy();
            }
            let function = function?;
            let gone = self.cache.insert(sha, source, header, function);
            self.machine(database)?.forget(gone);
        }
        Ok(sha)
    }

    /// Drops a machine that has grown, and what it compiled.
    fn tidy(&mut self) {
        if self.machine.as_ref().is_some_and(|machine| !machine.tidy()) {
            self.machine = None;
            self.cache.forget_functions();
        }
    }
}

fn eval(running: &mut Running<'_>, call: &Call) -> Result<Reply, ErrorReply> {
    let keys = key_count(call)?;
    with_scripts(running, |running, database, scripts| {
        let sha = scripts.load(database, &call.command[1])?;
        run(running, database, scripts, call, sha, keys)
    })
}

fn evalsha(running: &mut Running<'_>, call: &Call) -> Result<Reply, ErrorReply> {
    if call.command[1].len() != 40 {
        return Err(NO_SCRIPT.into());
    }
    let keys = key_count(call)?;
    let sha = Sha::parse(&call.command[1]).ok_or(NO_SCRIPT)?;
    with_scripts(running, |running, database, scripts| {
        run(running, database, scripts, call, sha, keys)
    })
}

fn key_count(call: &Call) -> Result<usize, ErrorReply> {
    let keys = call.spec.keys(&call.command);
    keys.map(|keys| keys.len()).map_err(|error: KeysError| error.text().into())
}

/// Runs `body` with the scripts taken out of the state.
fn with_scripts(
    running: &mut Running<'_>,
    body: impl FnOnce(&mut Running<'_>, &Database, &mut Scripts) -> Result<Reply, ErrorReply>,
) -> Result<Reply, ErrorReply> {
    let Some(database) = running.database else {
        return Err("ERR This Redis command is not allowed from script".into());
    };
    let mut scripts = running.state.scripts.take().unwrap_or_default();
    let result = body(running, database, &mut scripts);
    running.state.scripts = Some(scripts);
    result
}

/// Runs the script of this digest.
fn run(
    running: &mut Running<'_>,
    database: &Database,
    scripts: &mut Scripts,
    call: &Call,
    sha: Sha,
    keys: usize,
) -> Result<Reply, ErrorReply> {
    scripts.machine(database)?;
    let Scripts { cache, machine: Some(machine) } = scripts else { return Err(NO_SCRIPT.into()) };
    let script = cache.get(sha).ok_or(NO_SCRIPT)?;
    let terms = terms(call, script, database.is_full(running.state))?;
    let function = match script.function {
        Some(function) => function,
        None => {
            let compiled = machine.compile(&script.source[script.header.len..])?;
            *script.function.insert(compiled)
        }
    };
    let visit = machine.stage().enter(running, database, terms, &call.command, keys);
    let result = machine.run(function);
    let outcome = machine.stage().lock().as_mut().map(Acting::take_outcome);
    drop(visit);
    let Outcome { reply, failure, panic } = outcome.unwrap_or_default();
    let result = match (failure, result) {
        (Some(failure), _) => Err(described(&failure, sha).into()),
        (None, Ok(())) => Ok(reply.unwrap_or(Reply::Null)),
        (None, Err(error)) => Err(failed(&error, machine)),
    };
    scripts.tidy();
    if let Some(panic) = panic {
        resume_unwind(panic);
    }
    result
}

/// What the script may do, by the command and by its flags.
fn terms(call: &Call, script: &Script, full: bool) -> Result<Terms, ErrorReply> {
    let header = script.header;
    let reads = call.spec.name.ends_with("_ro");
    if header.present && !header.no_writes {
        if reads {
            return Err("ERR Can not execute a script with write flag using *_ro command.".into());
        }
        if full && !header.allow_oom {
            return Err(OUT_OF_MEMORY.into());
        }
    }
    let read_only = reads || header.no_writes;
    Ok(Terms { db: call.db, read_only, allow_oom: header.allow_oom })
}

/// Whether a command may change data. That of a script may, unless the script says
/// that it only reads.
pub(crate) fn may_write(
    database: &Database,
    spec: &'static CommandSpec,
    command: &Command,
) -> bool {
    if !spec.flags.intersects(Flags::WRITE.union(Flags::MAY_REPLICATE)) {
        return false;
    }
    let only_reads = match spec.name {
        "eval" => Header::read(&command[1]).is_ok_and(|header| header.no_writes),
        "evalsha" => Sha::parse(&command[1]).is_some_and(|sha| {
            let state = database.lock();
            state.scripts.as_ref().is_some_and(|scripts| scripts.cache.only_reads(sha))
        }),
        _ => false,
    };
    !only_reads
}

/// The error of a script, with the script and the place named.
fn described(failure: &str, sha: Sha) -> String {
    match failure.rsplit_once('\0') {
        Some((text, place)) => format!("{text} script: {}, on {place}", sha.text()),
        None => failure.to_owned(),
    }
}

/// The error of a script that Lua could not run to its end.
fn failed(error: &Error, machine: &Machine) -> ErrorReply {
    match error {
        Error::CallbackError { cause, .. } => failed(cause, machine),
        Error::MemoryError(_) => machine.out_of_memory(),
        Error::RuntimeError(text) if text == "not enough memory" => machine.out_of_memory(),
        other => {
            let text = other.to_string();
            format!("ERR {}", text.lines().next().unwrap_or_default()).into()
        }
    }
}

// ---- SCRIPT ----

fn script(running: &mut Running<'_>, call: &Call) -> Result<Reply, ErrorReply> {
    let command = &call.command;
    match call.spec.own_name() {
        "load" => with_scripts(running, |_, database, scripts| {
            let sha = scripts.load(database, &command[2])?;
            scripts.cache.keep(sha);
            scripts.tidy();
            Ok(Reply::Bulk(sha.text().into()))
        }),
        "exists" => Ok(exists(running, command)),
        "flush" => {
            let mode = command.get(2);
            if command.len() > 3 || mode.is_some_and(|mode| !is(mode, "SYNC") && !is(mode, "ASYNC"))
            {
                return Err("ERR SCRIPT FLUSH only support SYNC|ASYNC option".into());
            }
            running.state.scripts = None;
            Ok(Reply::OK)
        }
        // Whoever runs a script holds the lock, so there is none.
        "kill" => Err(NOT_BUSY.into()),
        "help" => Ok(Reply::Array(HELP.iter().map(|&line| Reply::Simple(line.into())).collect())),
        _ => Err("ERR SCRIPT DEBUG is not supported: scripts run inside the engine".into()),
    }
}

fn exists(running: &Running<'_>, command: &Command) -> Reply {
    let scripts = running.state.scripts.as_ref();
    let known = |digest| {
        Sha::parse(digest)
            .is_some_and(|sha| scripts.is_some_and(|scripts| scripts.cache.contains(sha)))
    };
    Reply::Array(command.iter_from(2).map(|digest| Reply::Integer(known(digest).into())).collect())
}

const NOT_BUSY: &str = "NOTBUSY No scripts in execution right now.";

const UNKILLABLE: &str = "UNKILLABLE Sorry the script already executed write commands against \
     the dataset. You can either wait the script termination or kill the server in a hard way \
     using the SHUTDOWN NOSAVE command.";

/// `SCRIPT KILL`, for whoever does not hold the database's lock.
pub(crate) fn kill(watch: &Watch) -> Reply {
    match watch.kill() {
        Kill::Killed => Reply::OK,
        Kill::Wrote => Reply::error(UNKILLABLE),
        Kill::Idle => Reply::error(NOT_BUSY),
    }
}

const HELP: [&str; 13] = [
    "SCRIPT <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
    "EXISTS <sha1> [<sha1> ...]",
    "    Tell which scripts are known.",
    "FLUSH [ASYNC|SYNC]",
    "    Forget all scripts.",
    "KILL",
    "    End the script that runs, unless it has written.",
    "LOAD <script>",
    "    Keep a script for EVALSHA.",
    "DEBUG (YES|SYNC|NO)",
    "    Always an error.",
    "HELP",
    "    Print this help.",
];
