//! Probes while the disk under the database is full.

use std::{
    fs,
    io::Write as _,
    path::Path,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use crate::{
    browser::{Answer, Browser, SOON},
    program::{Program, file_url},
};

/// A small file system at a directory, for as long as this value lives.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    /// `None` without the right to mount.
    fn new() -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=16m", "none"]).arg(dir.path());
        let mounted = mount.stderr(Stdio::null()).status().is_ok_and(|status| status.success());
        mounted.then_some(Self(dir))
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    /// Uses up all room.
    fn fill(&self) {
        let mut ballast = fs::File::create(self.path().join("ballast")).unwrap();
        while ballast.write_all(&[1; 4096]).is_ok() {}
    }

    fn free(&self) {
        fs::remove_file(self.path().join("ballast")).unwrap();
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let unmounted = Command::new("umount").arg("-l").arg(self.path()).status();
        assert!(unmounted.is_ok_and(|status| status.success()) || thread::panicking());
    }
}

/// Asks until the answer is as wanted, for a while.
#[track_caller]
fn wait_for(path: &str, browser: &mut Browser, wanted: impl Fn(&Answer) -> bool) -> Answer {
    let began = Instant::now();
    loop {
        let answer = browser.get(path);
        if wanted(&answer) {
            return answer;
        }
        assert!(began.elapsed() < SOON, "{path}: {answer:?}");
        thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn a_full_disk_makes_the_program_unhealthy_until_there_is_room() {
    let Some(disk) = SmallDisk::new() else {
        println!("skipped: no right to mount a small file system");
        return;
    };
    let program = Program::start(&file_url(disk.path()));
    let mut visitor = program.browser();
    visitor.assert_view("/foo", 1);
    for path in ["/healthz", "/readyz"] {
        assert_eq!(program.browser().get(path).status, 200);
    }

    disk.fill();
    // The log has some room of its own left.
    wait_for("/foo", &mut visitor, |answer| answer.status >= 500);
    let answer = wait_for("/healthz", &mut program.browser(), |answer| answer.status == 503);
    assert!(answer.body.contains("the disk is full: writes are refused"), "{answer:?}");
    assert!(!answer.body.contains("/"), "no path is shown: {answer:?}");
    assert_eq!(program.browser().get("/readyz").status, 503);

    disk.free();
    for path in ["/healthz", "/readyz", "/foo"] {
        wait_for(path, &mut visitor, |answer| answer.status == 200);
    }
}
