//! Writing a backup: the stores are read page by page, so memory stays bounded.

use std::fs;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use apiserver::pki::KEYRING;
use store::{Export, ExportError, Store};

use super::format::{FrameWriter, Kind, PAYLOAD_BYTES_MAX};
use super::{About, Contents, PKI, Part, Space};

/// How long the text of a failure may be.
const FAILURE_BYTES_MAX: usize = 4096;

/// How often the keys may change under a backup that begins.
const PINS_MAX: usize = 10;

/// What a backup is taken of.
#[derive(Clone)]
pub struct Source {
    /// The instance's data directory.
    pub data_dir: PathBuf,
    /// Its key spaces.
    pub spaces: Vec<(Space, Store)>,
}

/// Why a backup could not be written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    #[error("write the backup")]
    Write(#[source] io::Error),
    #[error("read {}", path.display())]
    File { path: PathBuf, source: io::Error },
    #[error("the encryption key is rotated again and again; try again later")]
    KeysChange,
    #[error("export the {0}")]
    Export(&'static str, #[source] ExportError),
}

/// Writes a backup to its end. When something cannot be read, the file says why instead of an end.
pub fn write(source: &Source, to: impl Write) -> Result<Contents, WriteError> {
    let Pinned { exports, keys } = pin(source)?;
    let mut frames = FrameWriter::begin(to).map_err(WriteError::Write)?;
    match write_all(source, exports, keys, &mut frames) {
        Ok(parts) => {
            let (sha256, bytes, _) = frames.end().map_err(WriteError::Write)?;
            Ok(Contents { parts, bytes, sha256 })
        }
        Err(error) => {
            let mut text = crate::text::causes(&error);
            text.truncate(text.floor_char_boundary(FAILURE_BYTES_MAX));
            // Where nothing can be written any more, the missing end says the same.
            let _ = frames.frame(Kind::Failed, text.as_bytes());
            Err(error)
        }
    }
}

/// The state of one moment.
struct Pinned {
    exports: Vec<(Space, Export)>,
    /// The file of the keys that open it; `None` where there is none.
    keys: Option<Vec<u8>>,
}

/// Holds every key space at its revision: one moment, as near as can be; with the keys of that
/// moment, as a rotation may be under way.
fn pin(source: &Source) -> Result<Pinned, WriteError> {
    let path = source.data_dir.join(PKI).join(KEYRING);
    let read = || match fs::read(&path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(WriteError::File { path: path.clone(), source }),
    };
    let mut before = read()?;
    for _ in 0..PINS_MAX {
        let exports = source.spaces.iter().map(|(space, store)| (*space, store.export())).collect();
        let after = read()?;
        if before == after {
            return Ok(Pinned { exports, keys: after });
        }
        before = after;
    }
    Err(WriteError::KeysChange)
}

fn write_all<W: Write>(
    source: &Source,
    exports: Vec<(Space, Export)>,
    keys: Option<Vec<u8>>,
    frames: &mut FrameWriter<W>,
) -> Result<Vec<(Part, u64)>, WriteError> {
    json(frames, Kind::About, &about(&source.data_dir))?;
    let mut parts = Vec::new();
    for (space, mut export) in exports {
        let part = Part::Space { space, revision: export.revision().0 };
        parts.push(write_part(frames, part, |pieces| {
            while let Some(chunk) =
                export.next_chunk().map_err(|error| WriteError::Export(space.title(), error))?
            {
                pieces.put(&chunk)?;
            }
            Ok(())
        })?);
    }
    if let Some(keys) = keys {
        let part = Part::File { path: format!("{PKI}/{KEYRING}") };
        parts.push(write_part(frames, part, |pieces| pieces.put(&keys))?);
    }
    for path in identity_files(&source.data_dir)? {
        let full = source.data_dir.join(&path);
        parts.push(write_part(frames, Part::File { path }, |pieces| pieces.put_file(&full))?);
    }
    Ok(parts)
}

fn about(data_dir: &Path) -> About {
    About {
        written_by: env!("CARGO_PKG_VERSION").into(),
        written_at: format!("{:.0}", jiff::Timestamp::now()),
        data_dir: data_dir.display().to_string(),
    }
}

fn json<W: Write>(
    frames: &mut FrameWriter<W>,
    kind: Kind,
    value: &impl serde::Serialize,
) -> Result<(), WriteError> {
    let text = serde_json::to_vec(value).map_err(io::Error::from).map_err(WriteError::Write)?;
    frames.frame(kind, &text).map_err(WriteError::Write)
}

fn write_part<W: Write>(
    frames: &mut FrameWriter<W>,
    part: Part,
    fill: impl FnOnce(&mut Pieces<'_, W>) -> Result<(), WriteError>,
) -> Result<(Part, u64), WriteError> {
    json(frames, Kind::Part, &part)?;
    let mut pieces = Pieces { frames, bytes: 0 };
    fill(&mut pieces)?;
    let bytes = pieces.bytes;
    frames.frame(Kind::PartEnd, &bytes.to_le_bytes()).map_err(WriteError::Write)?;
    Ok((part, bytes))
}

/// The pieces of one part.
struct Pieces<'a, W> {
    frames: &'a mut FrameWriter<W>,
    bytes: u64,
}

impl<W: Write> Pieces<'_, W> {
    fn put(&mut self, bytes: &[u8]) -> Result<(), WriteError> {
        for piece in bytes.chunks(PAYLOAD_BYTES_MAX) {
            self.frames.frame(Kind::Data, piece).map_err(WriteError::Write)?;
            self.bytes += piece.len() as u64;
        }
        Ok(())
    }

    fn put_file(&mut self, path: &Path) -> Result<(), WriteError> {
        let failed = |source| WriteError::File { path: path.to_owned(), source };
        let mut bytes = Vec::new();
        fs::File::open(path).and_then(|mut f| f.read_to_end(&mut bytes)).map_err(failed)?;
        self.put(&bytes)
    }
}

/// The certificates and keys, which are a handful of small files.
fn identity_files(data_dir: &Path) -> Result<Vec<String>, WriteError> {
    let folder = data_dir.join(PKI);
    let failed = |source| WriteError::File { path: folder.clone(), source };
    let entries = match fs::read_dir(&folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other.map_err(failed)?,
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.map_err(failed)?;
        let is_file = entry.file_type().map_err(failed)?.is_file();
        if let Some(name) = entry.file_name().to_str().filter(|name| is_file && is_kept(name)) {
            names.push(format!("{PKI}/{name}"));
        }
    }
    names.sort();
    Ok(names)
}

/// Not the keys that are written already, nor what is being written at this moment.
fn is_kept(name: &str) -> bool {
    name != KEYRING && !name.ends_with(".new") && !name.ends_with(".tmp") && !name.starts_with('.')
}
