//! An image with a shell and the usual tools, made from the machine's own busybox.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::json;
use sha2::{Digest, Sha256};

use crate::boat::{Boat, has, is_root, skip};

/// A static one, as Debian's busybox-static has it.
const BUSYBOX: &str = "/usr/bin/busybox";

/// A boat with the image `box:1` loaded; None, and said so, where it cannot be.
pub fn afloat(name: &str) -> Option<Boat> {
    if !is_root() || !has("kubectl") || !has("tar") || !Path::new(BUSYBOX).exists() {
        skip(name, "it needs root, kubectl, tar and a static busybox");
        return None;
    }
    let boat = Boat::afloat(name);
    boat.load_box();
    Some(boat)
}

impl Boat {
    /// Loads `box:1`, whose containers sleep unless they are told otherwise.
    pub fn load_box(&self) {
        let work = tempfile::tempdir().expect("a folder");
        let root = work.path().join("root");
        for dir in ["bin", "tmp", "etc"] {
            fs::create_dir_all(root.join(dir)).expect("a folder");
        }
        fs::copy(BUSYBOX, root.join("bin/busybox")).expect("busybox");
        let listed = Command::new(BUSYBOX).arg("--list").output().expect("its tools");
        for tool in String::from_utf8_lossy(&listed.stdout).lines().filter(|t| *t != "busybox") {
            symlink("busybox", root.join("bin").join(tool)).expect("a link");
        }
        let archive = archive(work.path(), &root);
        self.sampan_ok(&["load", archive.to_str().expect("a path")]);
    }
}

/// A docker archive of one layer.
fn archive(work: &Path, root: &Path) -> std::path::PathBuf {
    let image = work.join("image");
    fs::create_dir(&image).expect("a folder");
    tar(&image.join("layer.tar"), root);
    let layer = fs::read(image.join("layer.tar")).expect("the layer");
    let config = json!({
        "architecture": if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" },
        "os": "linux",
        "config": {"Cmd": ["/bin/sleep", "1000000"], "Env": ["PATH=/bin"]},
        "rootfs": {"type": "layers",
            "diff_ids": [format!("sha256:{}", hex::encode(Sha256::digest(&layer)))]},
    });
    fs::write(image.join("config.json"), config.to_string()).expect("its config");
    let manifest =
        json!([{"Config": "config.json", "RepoTags": ["box:1"], "Layers": ["layer.tar"]}]);
    fs::write(image.join("manifest.json"), manifest.to_string()).expect("its manifest");
    let archive = work.join("box.tar");
    tar(&archive, &image);
    archive
}

fn tar(to: &Path, from: &Path) {
    let status = Command::new("tar")
        .arg("-cf")
        .arg(to)
        .arg("-C")
        .arg(from)
        .arg(".")
        .stdin(Stdio::null())
        .status()
        .expect("run tar");
    assert!(status.success(), "tar of {}", from.display());
}
