//! The few operations the log needs of a disk: the seam where tests put one
//! that fails, runs full or loses its power.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use rustix::fs::FallocateFlags;
use rustix::io::Errno;

use super::error::DiskFailure;
use crate::directory::create_durably;

/// One directory.
pub(crate) trait Disk: Send + Sync {
    /// Where `name` lies; for messages.
    fn path(&self, name: &str) -> PathBuf;
    /// Names of the files in it, in any order.
    fn list(&self) -> io::Result<Vec<String>>;
    /// An empty file; one of that name is emptied.
    fn create(&self, name: &str) -> io::Result<Box<dyn DiskFile>>;
    /// An existing file, for reading and writing.
    fn open(&self, name: &str) -> io::Result<Box<dyn DiskFile>>;
    /// Replaces `to` when it exists. Certain after [`Disk::sync_dir`] only.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;
    /// Certain after [`Disk::sync_dir`] only.
    fn remove(&self, name: &str) -> io::Result<()>;
    /// Makes created, renamed and removed names survive a power cut.
    fn sync_dir(&self) -> io::Result<()>;
}

/// One open file.
pub(crate) trait DiskFile: Send + Sync {
    /// Bytes from the start to the end.
    fn len(&self) -> io::Result<u64>;
    /// May read less than asked for; 0 is the end.
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize>;
    /// May write less than given.
    fn write_at(&self, buf: &[u8], offset: u64) -> io::Result<usize>;
    /// Reserves space, extending the file: later writes there find room.
    fn allocate(&self, offset: u64, bytes: u64) -> io::Result<()>;
    /// Makes everything written, and the length, survive a power cut.
    fn sync_data(&self) -> io::Result<()>;
}

/// Writes all of `buf`.
pub(crate) fn write_all(file: &dyn DiskFile, mut buf: &[u8], mut offset: u64) -> io::Result<()> {
    while !buf.is_empty() {
        match file.write_at(buf, offset) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => {
                buf = buf.get(written..).unwrap_or_default();
                offset += written as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Fills `buf` as far as the file reaches; returns how far.
pub(crate) fn read_full(file: &dyn DiskFile, buf: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut filled = 0;
    while let Some(rest) = buf.get_mut(filled..)
        && !rest.is_empty()
    {
        match file.read_at(rest, offset + filled as u64) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// A directory of the file system.
#[derive(Debug)]
pub(crate) struct Directory {
    path: PathBuf,
    /// Open all the time, so that syncing it needs no file descriptor more.
    file: File,
}

impl Directory {
    /// Opens `path`, creating it durably when it is missing.
    pub(crate) fn open(path: &Path) -> Result<Self, DiskFailure> {
        let failed = DiskFailure::new("create the log's directory", path.to_owned());
        let file = create_durably(path).and_then(|()| File::open(path)).map_err(failed)?;
        Ok(Self { path: path.to_owned(), file })
    }
}

impl Disk for Directory {
    fn path(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    fn list(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.path)? {
            // A name that is not UTF-8 is none of the log's.
            names.extend(entry?.file_name().into_string());
        }
        Ok(names)
    }

    fn create(&self, name: &str) -> io::Result<Box<dyn DiskFile>> {
        let mut options = OpenOptions::new();
        Ok(Box::new(
            options.read(true).write(true).create(true).truncate(true).open(self.path(name))?,
        ))
    }

    fn open(&self, name: &str) -> io::Result<Box<dyn DiskFile>> {
        Ok(Box::new(OpenOptions::new().read(true).write(true).open(self.path(name))?))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.path(from), self.path(to))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        fs::remove_file(self.path(name))
    }

    fn sync_dir(&self) -> io::Result<()> {
        self.file.sync_all()
    }
}

impl DiskFile for File {
    fn len(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        FileExt::read_at(self, buf, offset)
    }

    fn write_at(&self, buf: &[u8], offset: u64) -> io::Result<usize> {
        FileExt::write_at(self, buf, offset)
    }

    fn allocate(&self, offset: u64, bytes: u64) -> io::Result<()> {
        match rustix::fs::fallocate(self, FallocateFlags::empty(), offset, bytes) {
            // A file system that cannot reserve: the zeros written next do it.
            Err(Errno::OPNOTSUPP | Errno::NOSYS) => Ok(()),
            result => Ok(result?),
        }
    }

    fn sync_data(&self) -> io::Result<()> {
        Self::sync_data(self)
    }
}
