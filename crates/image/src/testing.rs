//! What tests make archives and stores with.

use std::io::Write;
use std::path::PathBuf;

use serde_json::{Value, json};
use tar::{EntryType, Header};

use crate::{Digest, ImageStore};

/// A store that goes with its directory.
pub(crate) struct TestStore {
    pub(crate) dir: tempfile::TempDir,
    pub(crate) store: ImageStore,
}

impl TestStore {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = ImageStore::open(dir.path().join("images")).unwrap();
        Self { dir, store }
    }

    /// A file beside the store.
    pub(crate) fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.dir.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }
}

/// A tar archive, written entry by entry. Names are taken as they are, good or bad.
pub(crate) struct Tar(tar::Builder<Vec<u8>>);

impl Tar {
    pub(crate) fn new() -> Self {
        Self(tar::Builder::new(Vec::new()))
    }

    pub(crate) fn file(self, name: &str, content: impl AsRef<[u8]>) -> Self {
        self.entry(name, EntryType::Regular, 0o644, content.as_ref(), |_| {})
    }

    pub(crate) fn dir(self, name: &str) -> Self {
        self.entry(name, EntryType::Directory, 0o755, &[], |_| {})
    }

    pub(crate) fn symlink(self, name: &str, target: &str) -> Self {
        self.entry(name, EntryType::Symlink, 0o777, &[], |h| set_link(h, target))
    }

    pub(crate) fn link(self, name: &str, target: &str) -> Self {
        self.entry(name, EntryType::Link, 0o644, &[], |h| set_link(h, target))
    }

    pub(crate) fn xattr(mut self, name: &str, value: &[u8]) -> Self {
        let key = format!("SCHILY.xattr.{name}");
        self.0.append_pax_extensions([(key.as_str(), value)]).unwrap();
        self
    }

    pub(crate) fn entry(
        mut self,
        name: &str,
        kind: EntryType,
        mode: u32,
        content: &[u8],
        change: impl FnOnce(&mut Header),
    ) -> Self {
        let mut header = Header::new_ustar();
        header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(1_000_000);
        header.set_size(content.len() as u64);
        change(&mut header);
        header.set_cksum();
        self.0.append(&header, content).unwrap();
        self
    }

    pub(crate) fn finish(self) -> Vec<u8> {
        self.0.into_inner().unwrap()
    }
}

fn set_link(header: &mut Header, target: &str) {
    header.as_old_mut().linkname[..target.len()].copy_from_slice(target.as_bytes());
}

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// A configuration for an image of this machine's platform with these layers.
pub(crate) fn config(layers: &[&[u8]]) -> Vec<u8> {
    let diff_ids: Vec<_> = layers.iter().map(|layer| Digest::of(layer).to_string()).collect();
    let config = json!({
        "created": "2026-01-02T03:04:05Z",
        "architecture": oci_spec::image::Arch::default().to_string(),
        "os": "linux",
        "config": {"Entrypoint": ["/app"], "Labels": null, "Volumes": null},
        "rootfs": {"type": "layers", "diff_ids": diff_ids},
    });
    serde_json::to_vec(&config).unwrap()
}

pub(crate) fn descriptor(media_type: &str, bytes: &[u8]) -> Value {
    json!({
        "mediaType": media_type,
        "digest": Digest::of(bytes).to_string(),
        "size": bytes.len(),
    })
}
