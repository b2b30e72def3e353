//! [`Machine`]: the Lua machine that runs a database's scripts.

use std::{cell::Cell, fmt, sync::Arc};

use mlua::{Error, Function, HookTriggers, Lua, LuaOptions, StdLib, Table, Value, VmState};
use tuckbox_resp::ErrorReply;

use super::{library, stage::Stage};

/// Lua's instructions between two looks at the time.
const INSTRUCTIONS_PER_LOOK: u32 = 1_000;

/// Beyond so many bytes after a script, garbage is collected; a machine that
/// holds more than half of it then is dropped.
const KEPT_BYTES: usize = 16 << 20;

/// The name of a script's chunk in Lua's messages.
const CHUNK: &str = "@user_script";

/// A Lua machine with the world that scripts see.
pub(super) struct Machine {
    lua: Lua,
    /// The globals that scripts see.
    world: Table,
    run: Function,
    /// What was compiled, by number. References of the host are few in Lua 5.1.
    compiled: Table,
    next: Cell<u32>,
    stage: Arc<Stage>,
    memory_limit: usize,
}

impl fmt::Debug for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Machine").field("memory", &self.lua.used_memory()).finish_non_exhaustive()
    }
}

/// The number of a compiled script.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Compiled(pub(super) u32);

impl Machine {
    /// A machine that takes at most `memory_limit` bytes.
    ///
    /// # Errors
    /// When that is not enough for the machine itself.
    pub(super) fn new(memory_limit: usize) -> mlua::Result<Self> {
        let libs = StdLib::TABLE | StdLib::STRING | StdLib::MATH;
        let lua = Lua::new_with(libs, LuaOptions::new())?;
        let stage = Arc::new(Stage::default());
        let host = library::host(&lua, &stage)?;
        let prelude = lua.load(include_str!("prelude.lua")).set_name("=prelude");
        let (world, run, compiled) = prelude.call((host,))?;
        let watching = Arc::clone(&stage);
        let every = HookTriggers::new().every_nth_instruction(INSTRUCTIONS_PER_LOOK);
        lua.set_global_hook(every, move |_, _| {
            let ended = watching.lock().as_mut().and_then(super::stage::Acting::must_end);
            ended.map_or(Ok(VmState::Continue), |why| Err(Error::runtime(why)))
        })?;
        lua.gc_collect()?;
        lua.set_memory_limit(memory_limit)?;
        Ok(Self { lua, world, run, compiled, next: Cell::new(1), stage, memory_limit })
    }

    /// Where scripts find what they act on.
    pub(super) fn stage(&self) -> &Arc<Stage> {
        &self.stage
    }

    /// Bytes that the machine holds.
    #[cfg(test)]
    pub(super) fn memory(&self) -> usize {
        self.lua.used_memory()
    }

    /// Compiles a script.
    ///
    /// # Errors
    /// In Redis' words, when it is not Lua.
    pub(super) fn compile(&self, source: &[u8]) -> Result<Compiled, ErrorReply> {
        let chunk = self.lua.load(source).set_name(CHUNK).set_mode(mlua::chunk::ChunkMode::Text);
        let number = self.next.get();
        let compiled = chunk.set_environment(self.world.clone()).into_function();
        let kept = compiled.and_then(|function| self.compiled.raw_set(number, function));
        self.next.set(number.wrapping_add(1));
        kept.map(|()| Compiled(number)).map_err(|error| {
            let why = match error {
                Error::SyntaxError { message, .. } => message,
                Error::MemoryError(_) => return self.out_of_memory(),
                other => other.to_string(),
            };
            format!("ERR Error compiling script (new function): {why}").into()
        })
    }

    /// Forgets what was compiled of scripts that are gone.
    pub(super) fn forget(&self, gone: Vec<Compiled>) {
        for Compiled(number) in gone {
            // To clear what is there takes no memory.
            let _ = self.compiled.raw_set(number, Value::Nil);
        }
    }

    /// Runs a script whose stage is set, and leaves its answer there.
    ///
    /// # Errors
    /// When it did not come to its end; unless the stage says why, the error
    /// does.
    pub(super) fn run(&self, script: Compiled) -> mlua::Result<()> {
        match self.run.call(script.0)? {
            (_, None | Some(false)) => Ok(()),
            (Value::Error(error), _) => Err(*error),
            // What Lua says when there is no memory for an error.
            (Value::String(text), _) => Err(Error::runtime(text.to_string_lossy())),
            _ => Err(Error::runtime("the script failed")),
        }
    }

    /// The error of a script that took too much memory.
    pub(super) fn out_of_memory(&self) -> ErrorReply {
        let mib = self.memory_limit as f64 / f64::from(1 << 20);
        format!("ERR the script needed more memory than scripts may take ({mib:.1} MiB)").into()
    }

    /// Frees what a script left behind. Returns whether the machine is small
    /// enough to be kept.
    pub(super) fn tidy(&self) -> bool {
        let kept = KEPT_BYTES.min(self.memory_limit / 2);
        if self.lua.used_memory() <= kept {
            return true;
        }
        self.lua.gc_collect().is_ok() && self.lua.used_memory() <= kept / 2
    }
}
