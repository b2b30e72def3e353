//! [`DirectoryLock`]: one engine per data directory.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Read, Seek, Write},
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
        create_durably(dir).map_err(failed)?;
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

/// Makes a directory, and those above it, so that they survive a power cut.
pub(crate) fn create_durably(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    create_durably(parent_of(path))?;
    match fs::create_dir(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => sync_names(parent_of(path)),
    }
}

/// Makes the names of a data directory, of its parts and of their files survive
/// a power cut: a process that was killed may not have come to do it.
pub(crate) fn settle(dir: &Path) -> io::Result<()> {
    // Its parent may be another user's, who then has seen to it.
    match sync_names(parent_of(dir)) {
        Err(error) if error.kind() != io::ErrorKind::PermissionDenied => return Err(error),
        _ => {}
    }
    sync_names(dir)?;
    sync_names(&dir.join("store"))?;
    sync_names(&dir.join("log"))
}

fn sync_names(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

fn parent_of(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// This process as another's error message should name it.
fn this_process() -> String {
    let program = std::env::current_exe().ok();
    let name = program.as_deref().and_then(Path::file_name).map(|name| name.display().to_string());
    format!("process {} ({})", std::process::id(), name.as_deref().unwrap_or("unknown"))
}
