//! [`Heard`]: what each command did, those that scripts call included.

use std::{
    fmt::{self, Write as _},
    sync::Arc,
};

use parking_lot::{Mutex, MutexGuard};
use tuckbox_engine::{Clock, ScriptCall, ScriptListener};
use tuckbox_resp::{ErrorReply, table};

use crate::{commands::monitor, tally::Tally};

/// Errors that are remembered of one script.
const ERRORS_MAX: usize = 16;

/// What each command did. Scripts tell of theirs while they run, when nothing else of
/// the server can be reached.
pub(crate) struct Heard {
    said: Mutex<Said>,
    clock: Arc<dyn Clock>,
}

/// What was heard.
#[derive(Debug, Default)]
pub(crate) struct Said {
    pub(crate) tally: Tally,
    /// Somebody monitors.
    pub(crate) monitored: bool,
    /// What those who monitor are to see of the script that runs.
    pub(crate) lines: String,
    /// Errors that commands of the script that runs have answered.
    errors: Vec<String>,
}

impl Heard {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        Self { said: Mutex::default(), clock }
    }

    /// What was heard, to be read or added to.
    pub(crate) fn lock(&self) -> MutexGuard<'_, Said> {
        self.said.lock()
    }
}

impl Said {
    /// Ends what a script has said: its own error counts once, though the command that
    /// failed in it has answered it before.
    pub(crate) fn end_script(&mut self, error: Option<&ErrorReply>) {
        let errors = std::mem::take(&mut self.errors);
        if let Some(error) = error
            && !errors.iter().any(|inner| error.text().starts_with(inner))
        {
            self.tally.note_error(error);
        }
    }
}

impl ScriptListener for Heard {
    fn called(&self, call: ScriptCall<'_>) {
        let mut said = self.lock();
        match call.ran {
            Some(spec) => said.tally.ran(spec, call.took, call.error.is_some()),
            None => {
                let spec = table::lookup(call.command.name());
                said.tally.refused(spec.and_then(|spec| spec.resolve(call.command)));
            }
        }
        if let Some(error) = call.error {
            said.tally.note_error(error);
            if said.errors.len() < ERRORS_MAX {
                said.errors.push(error.text().to_owned());
            }
        }
        // One who is so far behind is cut, whatever else would come.
        if said.monitored && call.ran.is_some() && said.lines.len() <= monitor::BEHIND_MAX {
            let unix_ms = self.clock.now_ms();
            let line = monitor::line(unix_ms, call.db, &"lua", call.command);
            // Writing to a string does not fail.
            _ = said.lines.write_str(&line);
        }
    }
}

impl fmt::Debug for Heard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Heard").field("said", &self.said).finish_non_exhaustive()
    }
}
