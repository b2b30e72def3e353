//! What stands between the child and its disk: it counts, fails, delays and
//! records what the child does to its files, and ends the child at a named step.
//!
//! It is a small library in C, `disk.c`, compiled when the first test needs it
//! and loaded into the child. So the log, which is written by Rust, and the
//! store, which is written by LMDB, meet the same disk; and the engine has
//! nothing in it for tests.

use std::{
    fs::{self, File, OpenOptions},
    hash::{DefaultHasher, Hash, Hasher},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    process::Command as Process,
    sync::OnceLock,
};

const SOURCE: &str = include_str!("disk.c");

/// Calls are told apart by what they are about; `disk.c` has the same lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Log,
    Store,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A batch of the log, a page of the store.
    Write,
    /// The header of a segment of the log.
    Header,
    /// Zeros that make room in the log.
    Fill,
    /// The root of the store: written and synced in one call.
    Root,
    Sync,
    DirSync,
    Create,
    Rename,
    Remove,
}

const KINDS: u64 = 10;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// EIO.
    FailIo,
    /// ENOSPC.
    FailSpace,
    /// Half of a write is done.
    Shorten,
    DieBefore,
    /// After half of a write.
    DieAmid,
    DieAfter,
    /// So many milliseconds pass first.
    Delay(u32),
    /// A sync says that it is done, and is not.
    Lie,
}

/// The disk of one directory.
pub(crate) struct Disk {
    root: PathBuf,
    control: File,
    files: tempfile::TempDir,
    traced: bool,
}

impl Disk {
    /// A disk under everything below `root` for the children given to
    /// [`Disk::slip_under`].
    pub(crate) fn new(root: &Path) -> Self {
        let files = tempfile::tempdir().unwrap();
        let path = files.path().join("control");
        fs::write(&path, [0; 4096]).unwrap();
        let control = OpenOptions::new().read(true).write(true).open(path).unwrap();
        Self { root: root.canonicalize().unwrap(), control, files, traced: false }
    }

    /// The same, writing down everything that is done to it.
    pub(crate) fn traced(root: &Path) -> Self {
        let mut disk = Self::new(root);
        fs::write(disk.trace(), []).unwrap();
        disk.traced = true;
        disk
    }

    /// Where everything is written down; see `trace.rs`.
    pub(crate) fn trace(&self) -> PathBuf {
        self.files.path().join("trace")
    }

    /// Has the process that is about to start use this disk.
    pub(crate) fn slip_under(&self, process: &mut Process) {
        process
            .env("LD_PRELOAD", library())
            .env("TUCKBOX_DISK_ROOT", &self.root)
            .env("TUCKBOX_DISK_CONTROL", self.files.path().join("control"));
        if self.traced {
            process.env("TUCKBOX_DISK_TRACE", self.trace());
        }
    }

    /// After `pass` more calls, does `action` to the next one.
    pub(crate) fn once(&self, place: Place, kind: Kind, pass: u32, action: Action) {
        self.set(place, kind, pass, 0, action);
    }

    /// Does `action` to every call from now on.
    pub(crate) fn always(&self, place: Place, kind: Kind, action: Action) {
        self.set(place, kind, 0, 1, action);
    }

    /// From now on nothing happens to any call.
    pub(crate) fn heal(&self) {
        for rule in 0..3 * KINDS {
            self.put(rule, 1, 0);
        }
    }

    /// How many calls there were.
    pub(crate) fn calls(&self, place: Place, kind: Kind) -> u32 {
        self.get(place, kind, 0)
    }

    /// To how many calls something was done.
    pub(crate) fn hits(&self, place: Place, kind: Kind) -> u32 {
        self.get(place, kind, 5)
    }

    /// Whether the child was ended by one of its calls.
    pub(crate) fn was_deadly(&self) -> bool {
        (0..3 * KINDS).any(|rule| self.field(rule, 5) > 0)
    }

    fn set(&self, place: Place, kind: Kind, pass: u32, repeat: u32, action: Action) {
        let rule = rule(place, kind);
        let (number, parameter) = match action {
            Action::FailIo => (1, 0),
            Action::FailSpace => (2, 0),
            Action::Shorten => (3, 0),
            Action::DieBefore => (4, 0),
            Action::DieAmid => (5, 0),
            Action::DieAfter => (6, 0),
            Action::Delay(ms) => (7, ms),
            Action::Lie => (8, 0),
        };
        self.put(rule, 1, 0);
        for (field, value) in [(2, pass), (3, repeat), (4, parameter), (5, 0), (1, number)] {
            self.put(rule, field, value);
        }
    }

    fn put(&self, rule: u64, field: u64, value: u32) {
        self.control.write_all_at(&value.to_ne_bytes(), rule * 32 + field * 4).unwrap();
    }

    fn get(&self, place: Place, kind: Kind, field: u64) -> u32 {
        self.field(rule(place, kind), field)
    }

    fn field(&self, rule: u64, field: u64) -> u32 {
        let mut value = [0; 4];
        self.control.read_exact_at(&mut value, rule * 32 + field * 4).unwrap();
        u32::from_ne_bytes(value)
    }
}

fn rule(place: Place, kind: Kind) -> u64 {
    let place = match place {
        Place::Log => 0,
        Place::Store => 1,
    };
    let kind = match kind {
        Kind::Write => 0,
        Kind::Header => 1,
        Kind::Fill => 2,
        Kind::Root => 3,
        Kind::Sync => 4,
        Kind::DirSync => 5,
        Kind::Create => 6,
        Kind::Rename => 7,
        Kind::Remove => 8,
    };
    place * KINDS + kind
}

/// The compiled library. A C compiler is there, or LMDB could not have been built.
fn library() -> &'static Path {
    static LIBRARY: OnceLock<PathBuf> = OnceLock::new();
    LIBRARY.get_or_init(|| {
        let mut hasher = DefaultHasher::new();
        SOURCE.hash(&mut hasher);
        let dir = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let library = dir.join(format!("crash-disk-{:016x}.so", hasher.finish()));
        if library.exists() {
            return library;
        }
        let scratch = tempfile::tempdir_in(dir).unwrap();
        let (source, made) = (scratch.path().join("disk.c"), scratch.path().join("disk.so"));
        fs::write(&source, SOURCE).unwrap();
        let compiler = std::env::var("CC").unwrap_or_else(|_| "cc".to_owned());
        let mut process = Process::new(compiler);
        process.args(["-shared", "-fPIC", "-O1", "-Wall", "-Wextra", "-Werror", "-o"]);
        let output = process.arg(&made).arg(&source).output().expect("a C compiler");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        // Another test process may have been quicker: the same bytes.
        fs::rename(made, &library).unwrap();
        library
    })
}
