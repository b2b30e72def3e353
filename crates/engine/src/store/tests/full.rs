//! Disks that refuse a write.

use std::path::PathBuf;
use std::process::Command;

use super::*;

#[test]
fn a_full_map_fails_the_checkpoint_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    // The directory's own small disk, as far as LMDB is concerned.
    let store = Store::open_mapped(dir.path(), 1 << 20).unwrap();
    assert_full_disk_is_survived(&store, 2 << 20);
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_fails_the_checkpoint_and_nothing_else() {
    for commit_bytes in [10 << 20, 6 << 20, 4100 << 10] {
        let Some(disk) = SmallDisk::mount(4 << 20) else {
            println!("skipped: only root can mount a small disk");
            return;
        };
        let store = open(&disk.dir.path().join("store"));
        assert_full_disk_is_survived(&store, commit_bytes);
        assert!(!disk.dir.path().join("store/probe").exists());
    }
}

/// Commits more than there is room for, in small records and in one large one.
fn assert_full_disk_is_survived(store: &Store, bytes: usize) {
    fill(store, 1, 0..100, |_| 9);
    let full = |result: Result<(), StoreError>| {
        let error = result.unwrap_err();
        assert!(matches!(error, StoreError::Full { .. }), "{error}");
        assert!(error.to_string().contains("free space"), "{error}");
    };
    let write = |records: usize, payload: &[u8]| {
        let mut checkpoint = store.checkpoint()?;
        for number in 0..records as u64 {
            checkpoint.put(1, hash(number), &key(number), 8, 1, payload)?;
        }
        checkpoint.set_meta(&DatabaseMeta { position: 1, ..meta(0, 1, 0) })?;
        checkpoint.commit()
    };
    for _ in 0..3 {
        full(write(bytes / 1000, &[b'v'; 1000]));
        full(write(1, &vec![b'v'; bytes]));
    }
    assert!(store.meta().unwrap().is_empty());
    let listed = store.expired(1, u64::MAX, 200).unwrap();
    assert!(listed.len() == 100 && listed.iter().all(|listed| listed.expire_at == 9));
    for number in 0..100 {
        assert_eq!(
            get(store, 1, hash(number), &key(number)).unwrap().unwrap().payload,
            number.to_le_bytes()
        );
    }
    // What fits is taken.
    fill(store, 1, 100..200, |_| 9);
    assert_eq!(store.scan(1, 0, 500).unwrap().len(), 200);
}

#[cfg(unix)]
#[test]
fn after_a_failed_commit_no_checkpoint_is_taken_until_reopened() {
    if let Some(dir) = std::env::var_os(crash::CHILD_DIR) {
        return commit_past_the_limit(Path::new(&dir));
    }
    let dir = tempfile::tempdir().unwrap();
    let child = crash::child(
        "full",
        "after_a_failed_commit_no_checkpoint_is_taken_until_reopened",
        dir.path(),
    );
    // A limit on the size of files, and no signal at the limit: a write then fails, and not for want of room.
    let output = crash::under_shell("trap '' XFSZ && ulimit -f 4096", &child, dir.path());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    assert!(String::from_utf8_lossy(&output.stdout).contains("refused and reopened"));
}

#[cfg(unix)]
fn commit_past_the_limit(dir: &Path) {
    let store = open(dir);
    fill(&store, 1, 0..10, |_| 0);
    let mut checkpoint = store.checkpoint().unwrap();
    checkpoint.put(1, hash(0), &key(0), 0, 1, &vec![b'v'; 16 << 20]).unwrap();
    let error = checkpoint.commit().unwrap_err();
    assert!(matches!(error, StoreError::Io { .. }), "{error}");
    assert!(matches!(store.checkpoint(), Err(StoreError::Poisoned { .. })));
    assert_eq!(get(&store, 1, hash(0), &key(0)).unwrap().unwrap().payload, 0_u64.to_le_bytes());
    drop(store);
    let store = open(dir);
    fill(&store, 1, 10..20, |_| 0);
    assert_eq!(store.scan(1, 0, 100).unwrap().len(), 20);
    println!("refused and reopened");
}

/// A file system in memory, gone with the value.
struct SmallDisk {
    dir: tempfile::TempDir,
}

impl SmallDisk {
    fn mount(bytes: usize) -> Option<SmallDisk> {
        let dir = tempfile::tempdir().unwrap();
        let options = format!("size={bytes}");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &options, "tmpfs"])
            .arg(dir.path())
            .output()
            .ok()?;
        mounted.status.success().then_some(SmallDisk { dir })
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: the test's store may still be open.
        let path = PathBuf::from(self.dir.path());
        let _ = Command::new("umount").arg("-l").arg(path).status();
    }
}
