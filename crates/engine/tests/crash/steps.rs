//! The named steps at which the child is killed.

use tuckbox_resp::cmd;

use crate::{
    Rng,
    disk::{Action, Disk, Kind, Place},
    link::Link,
};

/// A step of the write path, the checkpoint, the log's change of segments, or
/// the opening.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Step {
    pub(crate) name: &'static str,
    /// While the engine opens, or while it runs.
    pub(crate) opening: bool,
    /// Not every round comes by it.
    pub(crate) rare: bool,
    at: At,
    /// At most so many calls pass first.
    pass: u64,
}

#[derive(Clone, Copy, Debug)]
enum At {
    /// Before a command is executed, or behind it: its frame is in the log's
    /// buffer and nowhere else.
    Command(&'static str),
    Call(Place, Kind, Action),
}

const fn running(name: &'static str, place: Place, kind: Kind, action: Action, pass: u64) -> Step {
    Step { name, opening: false, rare: false, at: At::Call(place, kind, action), pass }
}

const fn opening(name: &'static str, place: Place, kind: Kind, action: Action, pass: u64) -> Step {
    Step { name, opening: true, rare: false, at: At::Call(place, kind, action), pass }
}

/// Opening renames only what a kill has left amid the change of segments.
const fn tidying(name: &'static str, action: Action) -> Step {
    let at = At::Call(Place::Log, Kind::Rename, action);
    Step { name, opening: true, rare: true, at, pass: 0 }
}

const fn command(name: &'static str, when: &'static str) -> Step {
    Step { name, opening: false, rare: false, at: At::Command(when), pass: 60 }
}

use Action::{DieAfter, DieAmid, DieBefore};
use Kind::{Create, DirSync, Fill, Header, Remove, Rename, Root, Sync, Write};
use Place::{Log, Store};

/// All of them.
pub(crate) const STEPS: &[Step] = &[
    command("before a frame is appended", "before"),
    command("after a frame was appended", "after"),
    running("before a batch is written", Log, Write, DieBefore, 30),
    running("amid the write of a batch", Log, Write, DieAmid, 30),
    running("before a batch is synced", Log, Write, DieAfter, 30),
    running("at the sync of the log", Log, Sync, DieBefore, 30),
    running("after the sync of the log", Log, Sync, DieAfter, 30),
    running("amid the extension of a segment", Log, Fill, DieAmid, 4),
    running("before a segment is made", Log, Create, DieBefore, 0),
    running("after a segment was made", Log, Create, DieAfter, 0),
    running("before a segment gets its header", Log, Header, DieBefore, 2),
    running("amid the header of a segment", Log, Header, DieAmid, 2),
    running("after the header of a segment", Log, Header, DieAfter, 2),
    running("before a segment is renamed", Log, Rename, DieBefore, 3),
    running("after a segment was renamed", Log, Rename, DieAfter, 3),
    running("before the log's directory is synced", Log, DirSync, DieBefore, 2),
    running("after the log's directory was synced", Log, DirSync, DieAfter, 2),
    running("before a segment is removed", Log, Remove, DieBefore, 1),
    running("after a segment was removed", Log, Remove, DieAfter, 1),
    running("before a checkpoint writes", Store, Write, DieBefore, 10),
    running("amid a write of a checkpoint", Store, Write, DieAmid, 10),
    running("after a write of a checkpoint", Store, Write, DieAfter, 10),
    running("before a checkpoint is synced", Store, Sync, DieBefore, 4),
    running("after a checkpoint was synced", Store, Sync, DieAfter, 4),
    running("before a checkpoint is committed", Store, Root, DieBefore, 4),
    running("amid the commit of a checkpoint", Store, Root, DieAmid, 4),
    running("after a commit, before the log is trimmed", Store, Root, DieAfter, 4),
    opening("opening: before the log's first write", Log, Write, DieBefore, 0),
    opening("opening: amid the log's first write", Log, Write, DieAmid, 0),
    opening("opening: after the log's first write", Log, Write, DieAfter, 1),
    opening("opening: before the log is synced", Log, Sync, DieBefore, 1),
    opening("opening: after the log was synced", Log, Sync, DieAfter, 1),
    tidying("opening: before a segment is renamed", DieBefore),
    tidying("opening: after a segment was renamed", DieAfter),
];

impl Step {
    /// Has the child die at this step from now on.
    pub(crate) fn arm(&self, disk: &Disk, link: Option<&mut Link>, rng: &mut Rng) {
        let pass = rng.below(self.pass + 1);
        match self.at {
            At::Call(place, kind, action) => disk.once(place, kind, pass as u32, action),
            At::Command(when) => {
                let link = link.expect("an open engine");
                link.run(cmd!("TEST.DIE", when, pass));
            }
        }
    }
}
