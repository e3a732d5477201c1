//! A binary put into an image from scratch, so that equal binaries give equal digests.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::io;
use std::path::Path;

use oci_spec::image::Arch;
use serde::Serialize;
use tar::{EntryType, Header};

use super::{Binary, BuildError, elf, step};
use crate::compression::Compression;
use crate::{Digest, ImageStore, NewLayer, Reference};

/// Where the host keeps the certificates it trusts, and where programs look for them.
pub(super) const CERTIFICATES: &str = "/etc/ssl/certs/ca-certificates.crt";
const USER: &str = "65532";
const PASSWD: &str = "root:x:0:0:root:/root:/sbin/nologin\n\
    nobody:x:65534:65534:nobody:/nonexistent:/sbin/nologin\n\
    nonroot:x:65532:65532:nonroot:/tmp:/sbin/nologin\n";
const GROUP: &str = "root:x:0:\nnobody:x:65534:\nnonroot:x:65532:\n";
/// Names in /etc/hosts come before DNS, for libc and for Go alike.
const NSSWITCH: &str = "hosts: files dns\n";
const CREATED_BY: &str = "sampan build";

/// An image that was just made.
pub(super) struct Packed {
    pub(super) image: Digest,
    pub(super) size_before_strip: u64,
    pub(super) size_after_strip: u64,
}

#[derive(Serialize)]
struct Configuration {
    created: String,
    architecture: Arch,
    os: &'static str,
    config: Execution,
    rootfs: RootFs,
    history: Vec<History>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Execution {
    user: &'static str,
    env: [&'static str; 1],
    entrypoint: [String; 1],
    working_dir: &'static str,
    labels: BTreeMap<&'static str, String>,
}

#[derive(Serialize)]
struct RootFs {
    r#type: &'static str,
    diff_ids: Vec<Digest>,
}

#[derive(Serialize)]
struct History {
    created: String,
    created_by: &'static str,
    comment: &'static str,
}

/// Stores the image and names it. The layers that rarely change lie below the binary's own.
pub(super) fn assemble(
    store: &ImageStore,
    binary: &Binary,
    name: &Reference,
) -> Result<Packed, BuildError> {
    let whole = fs::read(&binary.path).map_err(|source| step("read", &binary.path, source))?;
    let size_before_strip = whole.len() as u64;
    let stripped = elf::strip(whole);
    let mut archives = vec![("users and /tmp", base())];
    if let Some(archive) = certificates()? {
        archives.push(("certificates", archive));
    }
    let program = Layer::new().file(&binary.name, 0o755, &stripped).finish();
    archives.push(("binary", program));

    let _writing = store.writing()?;
    let mut layers = Vec::new();
    for (_, archive) in &archives {
        let blob = store.write_layer(&archive[..])?;
        layers.push(NewLayer { blob, compression: Compression::Plain });
    }
    let comments = archives.iter().map(|(comment, _)| *comment).collect();
    let config = configuration(binary, name, &layers, comments);
    let image = store.add(&config, &layers, std::slice::from_ref(name))?;
    let size_after_strip = stripped.len() as u64;
    Ok(Packed { image: image.digest, size_before_strip, size_after_strip })
}

fn configuration(
    binary: &Binary,
    name: &Reference,
    layers: &[NewLayer],
    comments: Vec<&'static str>,
) -> Vec<u8> {
    let title = name.path().rsplit('/').next().unwrap_or_default().to_owned();
    let mut labels: BTreeMap<_, _> = binary.labels.iter().cloned().collect();
    labels.insert("org.opencontainers.image.title", title);
    let created = created();
    let history = |comment| History { created: created.clone(), created_by: CREATED_BY, comment };
    let configuration = Configuration {
        created: created.clone(),
        architecture: Arch::default(),
        os: "linux",
        config: Execution {
            user: USER,
            env: ["PATH=/"],
            entrypoint: [format!("/{}", binary.name)],
            working_dir: "/",
            labels,
        },
        rootfs: RootFs {
            r#type: "layers",
            // The layers are stored uncompressed, so their digests are their diff ids.
            diff_ids: layers.iter().map(|layer| layer.blob.digest).collect(),
        },
        history: comments.into_iter().map(history).collect(),
    };
    serde_json::to_vec(&configuration).expect("text and numbers always serialise")
}

/// `SOURCE_DATE_EPOCH` if set, else 1970: a time of building would make every image a new one.
fn created() -> String {
    let seconds = env::var("SOURCE_DATE_EPOCH").ok().and_then(|text| text.parse().ok());
    let time = seconds.and_then(|s| jiff::Timestamp::from_second(s).ok());
    time.unwrap_or(jiff::Timestamp::UNIX_EPOCH).to_string()
}

fn base() -> Vec<u8> {
    Layer::new()
        .directory("etc", 0o755)
        .file("etc/group", 0o644, GROUP.as_bytes())
        .file("etc/nsswitch.conf", 0o644, NSSWITCH.as_bytes())
        .file("etc/passwd", 0o644, PASSWD.as_bytes())
        .directory("tmp", 0o1777)
        .finish()
}

fn certificates() -> Result<Option<Vec<u8>>, BuildError> {
    let path = Path::new(CERTIFICATES);
    let bundle = match fs::read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        other => other.map_err(|source| step("read", path, source))?,
    };
    let layer = Layer::new()
        .directory("etc", 0o755)
        .directory("etc/ssl", 0o755)
        .directory("etc/ssl/certs", 0o755)
        .file(CERTIFICATES.trim_start_matches('/'), 0o644, &bundle);
    Ok(Some(layer.finish()))
}

/// A layer's archive. Owners, times and order are the same wherever it is made.
struct Layer {
    archive: tar::Builder<Vec<u8>>,
}

impl Layer {
    fn new() -> Self {
        Self { archive: tar::Builder::new(Vec::new()) }
    }

    fn directory(self, path: &str, mode: u32) -> Self {
        self.entry(&format!("{path}/"), EntryType::Directory, mode, &[])
    }

    fn file(self, path: &str, mode: u32, content: &[u8]) -> Self {
        self.entry(path, EntryType::Regular, mode, content)
    }

    fn entry(mut self, path: &str, kind: EntryType, mode: u32, content: &[u8]) -> Self {
        let mut header = Header::new_ustar();
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(0);
        header.set_size(content.len() as u64);
        let appended = self.archive.append_data(&mut header, path, content);
        appended.expect("a short relative path into memory always works");
        self
    }

    fn finish(self) -> Vec<u8> {
        self.archive.into_inner().expect("writing to memory always works")
    }
}
