//! [`DirectoryLock`]: one engine per data directory.

use std::{
    fs::{File, OpenOptions, TryLockError},
    io::{Read, Seek, Write},
    path::Path,
};

use crate::OpenError;

/// Holds a data directory for as long as it lives, and says so to others.
///
/// The operating system gives the lock up when the process ends, however it
/// ends.
#[derive(Debug)]
pub(crate) struct DirectoryLock {
    file: File,
}

impl DirectoryLock {
    /// Makes the directory if there is none, and takes it.
    ///
    /// # Errors
    /// [`OpenError::Directory`] when it cannot be made or written,
    /// [`OpenError::InUse`] when somebody else has it.
    pub(crate) fn take(dir: &Path) -> Result<Self, OpenError> {
        let failed = |cause| OpenError::Directory { path: dir.to_owned(), cause };
        std::fs::create_dir_all(dir).map_err(failed)?;
        let path = dir.join("LOCK");
        let open =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path);
        let mut file = open.map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                // Without its name the holder is still one.
                if file.read_to_string(&mut holder).is_err() || holder.trim().is_empty() {
                    holder = "another process".to_owned();
                }
                let holder = holder.trim().to_owned();
                return Err(OpenError::InUse { path: dir.to_owned(), holder });
            }
            Err(TryLockError::Error(cause)) => return Err(failed(cause)),
        }
        let write = file
            .set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| writeln!(file, "{}", this_process()));
        write.map_err(failed)?;
        Ok(Self { file })
    }
}

impl Drop for DirectoryLock {
    fn drop(&mut self) {
        // Closing the file is not enough while a process that another thread is
        // about to start still has it open.
        if let Err(error) = self.file.unlock() {
            tracing::warn!(%error, "the data directory could not be released");
        }
    }
}

/// This process as another's error message should name it.
fn this_process() -> String {
    let program = std::env::current_exe().ok();
    let name = program.as_deref().and_then(Path::file_name).map(|name| name.display().to_string());
    format!("process {} ({})", std::process::id(), name.as_deref().unwrap_or("unknown"))
}
