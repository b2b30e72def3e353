//! [`Output`]: what a library writes for a script, within its limits.

use super::stage::{Acting, Stage};

/// Bytes that are being written, and how many they may be: a table that is in
/// others many times is written each time.
pub(super) struct Output<'a> {
    pub(super) bytes: Vec<u8>,
    room: usize,
    tables: u32,
    stage: &'a Stage,
    function: &'static str,
}

/// After so many tables the time is looked at.
const TABLES_PER_LOOK: u32 = 1024;

impl<'a> Output<'a> {
    /// Nothing yet, and at most `room` bytes of what `function` writes.
    pub(super) fn new(room: usize, stage: &'a Stage, function: &'static str) -> Self {
        Self { bytes: Vec::new(), room, tables: 0, stage, function }
    }

    /// To be called at each value.
    ///
    /// # Errors
    /// When there is no room.
    pub(super) fn check(&self) -> mlua::Result<()> {
        if self.bytes.len() > self.room {
            return Err(mlua::Error::MemoryError(self.function.to_owned()));
        }
        Ok(())
    }

    /// To be called at each table.
    ///
    /// # Errors
    /// As [`Output::check`], and when the script has to end.
    pub(super) fn look(&mut self) -> mlua::Result<()> {
        self.check()?;
        self.tables += 1;
        if !self.tables.is_multiple_of(TABLES_PER_LOOK) {
            return Ok(());
        }
        let ended = self.stage.lock().as_mut().and_then(Acting::must_end);
        ended.map_or(Ok(()), |why| Err(mlua::Error::runtime(why)))
    }
}
