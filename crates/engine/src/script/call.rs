//! The commands that scripts run.

use std::time::Instant;

use bytes::Bytes;
use mlua::{MultiValue, Value};
use smallvec::SmallVec;
use tuckbox_resp::{
    Command, ErrorReply, Reply,
    table::{self, CommandSpec, Flags},
};

use super::{number::general, stage::Acting};
use crate::{
    client::Client,
    commands,
    connection::is_here,
    database::{Call, LOGICAL, Running},
    host::ScriptCall,
};

/// Digits that tell any two numbers apart.
const DIGITS: usize = 17;

/// Whole numbers below this are written without an exponent.
const WITHOUT_EXPONENT: u64 = 100_000_000_000_000_000;

/// Bytes of a command that are put together without an allocation.
const SMALL: usize = 512;

const NOT_ALLOWED: &str = "ERR This Redis command is not allowed from script";
const UNKNOWN: &str = "ERR Unknown Redis command called from script";

/// The error of a function that acts for a script while there is none.
pub(super) fn no_script() -> mlua::Error {
    mlua::Error::runtime("no script is running")
}

/// A command that is put together word by word.
pub(super) struct Spelling {
    text: SmallVec<[u8; SMALL]>,
    ends: SmallVec<[usize; 16]>,
    /// Bytes that it may have.
    room: usize,
    too_long: bool,
}

impl Spelling {
    /// The error of an argument that is neither a string nor a number.
    pub(super) const NOT_TEXT: &str =
        "ERR Lua redis lib command arguments must be strings or integers";

    /// A command of at most `room` bytes: the same string can be many arguments.
    pub(super) fn new(room: usize) -> Self {
        Self { text: SmallVec::new(), ends: SmallVec::new(), room, too_long: false }
    }

    /// Adds a string.
    pub(super) fn text(&mut self, text: &[u8]) {
        if self.too_long || text.len() > self.room - self.text.len() {
            self.too_long = true;
            return;
        }
        self.text.extend_from_slice(text);
        self.ends.push(self.text.len());
    }

    /// Adds a number, with so many digits that it is told from any other.
    pub(super) fn number(&mut self, number: f64) {
        let whole = number as i64;
        let is_whole = whole as f64 == number && whole.unsigned_abs() < WITHOUT_EXPONENT;
        if is_whole && (whole != 0 || number.is_sign_positive()) {
            self.text(itoa::Buffer::new().format(whole).as_bytes());
        } else {
            self.text(general(number, DIGITS).as_bytes());
        }
    }

    /// The command.
    ///
    /// # Errors
    /// When it has no words, or more than there is room for.
    pub(super) fn command(self) -> Result<Command, ErrorReply> {
        let Self { text, ends, room, too_long } = self;
        if too_long {
            return Err(format!("ERR the command is longer than {room} bytes").into());
        }
        if ends.is_empty() {
            return Err("ERR Please specify at least one argument for this redis lib call".into());
        }
        let text = match text.spilled() {
            true => Bytes::from(text.into_vec()),
            false => Bytes::copy_from_slice(&text),
        };
        let mut start = 0;
        let ranges = ends.into_iter().map(|end| std::mem::replace(&mut start, end)..end);
        Command::from_ranges(text, ranges).ok_or_else(|| "ERR the command is too long".into())
    }
}

/// The command that `args` spell, of at most `room` bytes.
pub(super) fn command(args: &MultiValue, room: usize) -> Result<Command, ErrorReply> {
    let mut spelling = Spelling::new(room);
    for value in args {
        match value {
            Value::String(text) => spelling.text(&text.as_bytes()),
            Value::Integer(n) => spelling.number(*n as f64),
            Value::Number(n) => spelling.number(*n),
            _ => return Err(Spelling::NOT_TEXT.into()),
        }
    }
    spelling.command()
}

/// Finds the command, and says what is wrong with it.
fn spec_of(
    command: &Command,
) -> Result<(&'static CommandSpec, &'static CommandSpec), &'static str> {
    let spec = table::lookup(command.name()).ok_or(UNKNOWN)?;
    let exact = spec.resolve(command).ok_or(UNKNOWN)?;
    if !exact.arity_ok(command.len()) {
        return Err("ERR Wrong number of args calling Redis command from script");
    }
    if exact.flags.contains(Flags::NOSCRIPT) {
        return Err(NOT_ALLOWED);
    }
    if is_here(spec) { Ok((spec, exact)) } else { Err(UNKNOWN) }
}

impl Acting {
    /// Runs one command.
    ///
    /// # Errors
    /// In Redis' words, when scripts may not run it.
    pub(super) fn run(&mut self, command: Command) -> Result<Reply, ErrorReply> {
        let Some(listener) = self.watch.listener().cloned() else {
            let (spec, exact) = self.admit(&command)?;
            return self.run_admitted(spec, exact, command).0;
        };
        let (began, db) = (Instant::now(), self.db);
        let (result, command, ran) = match self.admit(&command) {
            Ok((spec, exact)) => {
                let (result, command) = self.run_admitted(spec, exact, command);
                (result, command, Some(exact))
            }
            Err(refusal) => (Err(refusal), command, None),
        };
        let error = match &result {
            Err(error) | Ok(Reply::Error(error)) => Some(error),
            Ok(_) => None,
        };
        let took = began.elapsed();
        listener.called(ScriptCall { command: &command, ran, db, took, error });
        result
    }

    /// Finds the command, and refuses what scripts may not run now.
    fn admit(
        &self,
        command: &Command,
    ) -> Result<(&'static CommandSpec, &'static CommandSpec), ErrorReply> {
        let (spec, exact) = spec_of(command)?;
        if exact.flags.intersects(Flags::WRITE.union(Flags::MAY_REPLICATE)) {
            self.admit_write(exact.flags.contains(Flags::DENYOOM))?;
        }
        Ok((spec, exact))
    }

    /// The reply, and the command again.
    fn run_admitted(
        &mut self,
        spec: &'static CommandSpec,
        exact: &'static CommandSpec,
        command: Command,
    ) -> (Result<Reply, ErrorReply>, Command) {
        let Some(handler) = commands::handler(spec) else {
            return (self.run_local(spec, &command), command);
        };
        let call = Call { spec: exact, handler, command, db: self.db };
        let draw = self.state.draw();
        let cold = match self.fetch(&call, draw) {
            Ok(cold) => cold,
            Err(error) => return (Err(error), call.command),
        };
        let mut running = Running {
            state: &mut self.state,
            database: None,
            now: self.now,
            resp3: self.resp3,
            cold: cold.as_ref(),
            draw,
            observed: 0,
            grown: false,
            alone: false,
        };
        let reply = running.call(&call);
        let Running { observed, grown, .. } = running;
        self.observed = self.observed.max(observed);
        if std::mem::take(&mut self.grown) | grown | cold.is_some() {
            self.has_grown = true;
            self.keep_to_the_limit();
        }
        (Ok(reply), call.command)
    }

    /// Runs a command that needs no data. What it sets is forgotten with the
    /// script.
    fn run_local(&mut self, spec: &CommandSpec, command: &Command) -> Result<Reply, ErrorReply> {
        if spec.name != "select" {
            return Client::new(0).run(spec.name, command);
        }
        let index = commands::integer(&command[1])?;
        match usize::try_from(index) {
            Ok(db) if db < LOGICAL => {
                self.db = db;
                Ok(Reply::OK)
            }
            _ => Err("ERR DB index is out of range".into()),
        }
    }
}
