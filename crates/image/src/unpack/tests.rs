use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};

use super::*;
use crate::testing::{Tar, gzip};

/// These make devices, owners and `trusted.` attributes.
fn is_root() -> bool {
    let root = fs::metadata("/proc/self").unwrap().uid() == 0;
    if !root {
        eprintln!("not run: unpacking image layers needs root");
    }
    root
}

struct Unpacked {
    dir: tempfile::TempDir,
    result: Result<(), UnpackError>,
}

impl Unpacked {
    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join("root").join(name)
    }

    fn metadata(&self, name: &str) -> fs::Metadata {
        self.result.as_ref().unwrap();
        fs::symlink_metadata(self.path(name)).unwrap()
    }

    fn text(&self, name: &str) -> String {
        self.result.as_ref().unwrap();
        fs::read_to_string(self.path(name)).unwrap()
    }

    fn xattr(&self, name: &str, attribute: &str) -> Option<Vec<u8>> {
        let mut value = vec![0; 256];
        let length = rustix::fs::lgetxattr(self.path(name), attribute, &mut value[..]).ok()?;
        value.truncate(length);
        Some(value)
    }

    fn is_whiteout(&self, name: &str) -> bool {
        let metadata = self.metadata(name);
        metadata.file_type().is_char_device() && metadata.rdev() == 0
    }

    fn is_opaque(&self, name: &str) -> bool {
        self.xattr(name, "trusted.overlay.opaque").as_deref() == Some(b"y")
    }
}

fn unpack(tar: Tar) -> Unpacked {
    let archive = tar.finish();
    unpack_as(&archive, &Digest::of(&archive))
}

fn unpack_as(archive: &[u8], diff_id: &Digest) -> Unpacked {
    let dir = tempfile::tempdir().unwrap();
    let blob = dir.path().join("blob");
    fs::write(&blob, archive).unwrap();
    fs::write(dir.path().join("outside"), "untouched").unwrap();
    let result = layer(File::open(&blob).unwrap(), diff_id, &dir.path().join("root"));
    Unpacked { dir, result }
}

fn check_refused(tar: Tar, expected: &str) {
    let unpacked = unpack(tar);
    let error = unpacked.result.as_ref().unwrap_err().to_string();
    assert!(error.contains(expected), "{error}");
    assert_eq!(fs::read_to_string(unpacked.dir.path().join("outside")).unwrap(), "untouched");
}

#[test]
fn files_keep_mode_owner_time_and_set_uid() {
    if !is_root() {
        return;
    }
    let unpacked =
        unpack(Tar::new().dir("bin").entry("bin/su", tar::EntryType::Regular, 0o4755, b"x", |h| {
            h.set_uid(12);
            h.set_gid(34);
        }));
    let metadata = unpacked.metadata("bin/su");
    assert_eq!(metadata.mode() & 0o7777, 0o4755);
    assert_eq!((metadata.uid(), metadata.gid(), metadata.mtime()), (12, 34, 1_000_000));
    assert_eq!(unpacked.metadata("bin").mtime(), 1_000_000);
}

#[test]
fn the_root_s_own_entry_sets_its_mode() {
    if !is_root() {
        return;
    }
    let unpacked = unpack(Tar::new().entry("./", tar::EntryType::Directory, 0o700, &[], |_| {}));
    assert_eq!(unpacked.metadata("").permissions().mode() & 0o7777, 0o700);
}

#[test]
fn links_devices_and_pipes_are_made() {
    if !is_root() {
        return;
    }
    let unpacked = unpack(
        Tar::new()
            .file("a", "one")
            .link("b", "/a")
            .symlink("c", "../../etc/passwd")
            .entry("null", tar::EntryType::Char, 0o666, &[], |h| {
                h.set_device_major(1).unwrap();
                h.set_device_minor(3).unwrap();
            })
            .entry("pipe", tar::EntryType::Fifo, 0o600, &[], |_| {}),
    );
    assert_eq!(unpacked.metadata("a").ino(), unpacked.metadata("b").ino());
    assert_eq!(fs::read_link(unpacked.path("c")).unwrap(), Path::new("../../etc/passwd"));
    assert_eq!(unpacked.metadata("null").rdev(), rustix::fs::makedev(1, 3));
    assert_eq!(unpacked.metadata("null").mode() & 0o7777, 0o666);
    assert!(unpacked.metadata("pipe").file_type().is_fifo());
}

#[test]
fn capabilities_are_kept_and_overlay_s_own_attributes_refused() {
    if !is_root() {
        return;
    }
    let capability = [1, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let tar = Tar::new().xattr("security.capability", &capability).file("ping", "x");
    let tar = tar.xattr("trusted.overlay.redirect", b"/etc").dir("sly");
    let unpacked = unpack(tar);
    unpacked.result.as_ref().unwrap();
    assert_eq!(unpacked.xattr("ping", "security.capability").as_deref(), Some(&capability[..]));
    assert_eq!(unpacked.xattr("sly", "trusted.overlay.redirect"), None);
}

#[test]
fn whiteouts_become_what_overlayfs_reads() {
    if !is_root() {
        return;
    }
    let unpacked =
        unpack(Tar::new().file("etc/.wh.motd", "").file("var/.wh..wh..opq", "").file("var/x", "1"));
    assert!(unpacked.is_whiteout("etc/motd"));
    assert!(unpacked.is_opaque("var"));
    assert_eq!(unpacked.text("var/x"), "1");
    assert!(!unpacked.path("var/.wh..wh..opq").exists());
}

#[test]
fn a_whiteout_never_hides_what_its_own_layer_brings() {
    if !is_root() {
        return;
    }
    let after =
        unpack(Tar::new().file("d/x", "1").file(".wh.d", "").file("f", "2").file(".wh.f", ""));
    assert_eq!((after.text("d/x"), after.text("f")), ("1".into(), "2".into()));
    assert!(after.is_opaque("d"));
    let named = unpack(Tar::new().file(".wh.d", "").dir("d").file("d/x", "1"));
    let implied = unpack(Tar::new().file(".wh.d", "").file("d/x", "1"));
    for unpacked in [named, implied] {
        assert_eq!(unpacked.text("d/x"), "1");
        assert!(unpacked.is_opaque("d"));
    }
}

#[test]
fn later_entries_replace_earlier_ones() {
    if !is_root() {
        return;
    }
    let unpacked = unpack(
        Tar::new()
            .file("a", "1")
            .file("a", "22")
            .file("d/x", "x")
            .file("d", "now a file")
            .dir("real")
            .symlink("way", "real")
            .file("way/one", "1")
            .dir("way")
            .file("way/two", "2"),
    );
    assert_eq!(unpacked.text("a"), "22");
    assert_eq!(unpacked.text("d"), "now a file");
    assert_eq!((unpacked.text("real/one"), unpacked.text("way/two")), ("1".into(), "2".into()));
}

#[test]
fn absolute_names_mean_the_layer_s_root() {
    if !is_root() {
        return;
    }
    let unpacked = unpack(Tar::new().file("/etc/hosts", "inside"));
    assert_eq!(unpacked.text("etc/hosts"), "inside");
}

#[test]
fn paths_that_lead_out_are_refused() {
    if !is_root() {
        return;
    }
    check_refused(Tar::new().file("../outside", "evil"), "points outside");
    check_refused(Tar::new().file("a/../../outside", "evil"), "points outside");
    check_refused(Tar::new().file("/../outside", "evil"), "points outside");
    check_refused(Tar::new().link("mine", "../outside"), "points outside");
    check_refused(Tar::new().file(".wh...", ""), "points outside");
}

#[test]
fn symbolic_links_lead_nowhere_but_into_the_layer() {
    if !is_root() {
        return;
    }
    let up = unpack(Tar::new().symlink("up", "..").file("up/outside", "evil"));
    assert_eq!(up.text("outside"), "evil");
    assert_eq!(fs::read_to_string(up.dir.path().join("outside")).unwrap(), "untouched");

    let absolute = unpack(Tar::new().dir("tmp").symlink("t", "/tmp").file("t/sampan-evil", "x"));
    assert_eq!(absolute.text("tmp/sampan-evil"), "x");
    assert!(!Path::new("/tmp/sampan-evil").exists());

    let over = unpack(Tar::new().symlink("f", "../outside").file("f", "own"));
    assert_eq!(over.text("f"), "own");
    assert_eq!(fs::read_to_string(over.dir.path().join("outside")).unwrap(), "untouched");

    check_refused(Tar::new().symlink("l", "../outside").link("h", "l/x"), "layer's directory l");
}

#[test]
fn owners_out_of_range_and_unknown_kinds_are_refused() {
    if !is_root() {
        return;
    }
    let huge = |h: &mut tar::Header| h.set_uid(u64::from(u32::MAX));
    let file = tar::EntryType::Regular;
    check_refused(Tar::new().entry("x", file, 0o644, b"", huge), "`x` has an invalid owner");
    let kind = tar::EntryType::new(b'Z');
    check_refused(Tar::new().entry("x", kind, 0o644, b"", |_| {}), "`x` is of unknown kind 90");
}

#[test]
fn compressed_layers_are_checked_against_the_uncompressed_digest() {
    if !is_root() {
        return;
    }
    let archive = Tar::new().file("a", "one").finish();
    assert_eq!(unpack_as(&gzip(&archive), &Digest::of(&archive)).text("a"), "one");
    let wrong = unpack_as(&gzip(&archive), &Digest::of(b"other"));
    assert!(matches!(wrong.result, Err(UnpackError::Mismatch { .. })));
    let cut = unpack_as(&gzip(&archive)[..40], &Digest::of(&archive));
    assert!(matches!(cut.result, Err(UnpackError::Archive { .. } | UnpackError::Step { .. })));
}

#[test]
fn layers_of_many_files_are_whole_too() {
    if !is_root() {
        return;
    }
    let many = (0..FILES_SYNCED_SINGLY_MAX + 8)
        .fold(Tar::new(), |tar, n| tar.file(&format!("d{}/f{n}", n % 7), n.to_string()));
    let unpacked = unpack(many);
    assert_eq!(unpacked.text("d1/f71"), "71");
}
