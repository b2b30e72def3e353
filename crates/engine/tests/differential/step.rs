//! [`Step`]: one thing that a run does.

use std::fmt;

use tuckbox_resp::Command;

/// One thing that a run does on all sides.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// Sends a command on a connection.
    Run { connection: usize, command: Command },
    /// Goes through all of `SCAN` (or `HSCAN key`) with these options and
    /// compares what was found.
    Walk { connection: usize, head: Vec<Vec<u8>>, options: Vec<Vec<u8>> },
    /// Has the server restore what the engine `giver` dumps of `from`, as `to`,
    /// and the engines what the server dumps.
    Transfer {
        connection: usize,
        giver: usize,
        from: Vec<u8>,
        to: Vec<u8>,
        /// The time to live, then options.
        options: Vec<Vec<u8>>,
    },
    /// Makes a checkpoint of the engine with a store.
    Checkpoint,
    /// Opens all engines again that keep anything; all connections end.
    Reopen,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Run { connection, command } => {
                write!(f, "{connection}>")?;
                command.iter().try_for_each(|arg| write!(f, " {}", shown(arg)))
            }
            Self::Walk { connection, head, options } => {
                write!(f, "{connection}> all of")?;
                head.iter().chain(options).try_for_each(|arg| write!(f, " {}", shown(arg)))
            }
            Self::Transfer { connection, giver, from, to, options } => {
                write!(
                    f,
                    "{connection}> DUMP {} of engine number {giver} and RESTORE",
                    shown(from)
                )?;
                std::iter::once(to).chain(options).try_for_each(|arg| write!(f, " {}", shown(arg)))
            }
            Self::Checkpoint => f.write_str("checkpoint"),
            Self::Reopen => f.write_str("reopen"),
        }
    }
}

/// An argument as `redis-cli` would take it.
fn shown(arg: &[u8]) -> String {
    if !arg.is_empty() && arg.iter().all(u8::is_ascii_graphic) {
        return String::from_utf8_lossy(arg).into_owned();
    }
    format!("\"{}\"", arg.escape_ascii())
}

/// A command of these words.
pub(crate) fn command<T: AsRef<[u8]>>(words: &[T]) -> Command {
    let (name, args) = words.split_first().expect("a name");
    let mut command = Command::new(name.as_ref());
    for arg in args {
        command.push(arg.as_ref());
    }
    command.build()
}
