//! The backup of an instance: one file with everything that cannot be made again.
//!
//! A file is a sequence of checksummed frames ([`format`]) in which parts follow each other: the key
//! spaces, each as at one revision and in the store's own encoding, then the certificates and
//! keys. The last frame has the SHA-256 of all before it, so that a file that was cut, changed or
//! never finished is told apart from a whole one. [`write`] streams one out of open stores, [`read`]
//! checks one while it is read, [`restore`] turns one into the state of an instance.
//!
//! Images are not in it, nor logs, nor what pods keep in their volumes.

pub mod file;
pub mod format;
pub mod read;
pub mod restore;
pub mod write;

use serde::{Deserialize, Serialize};

/// The folder of certificates and keys in the data directory, and in a backup.
pub const PKI: &str = "pki";

/// What stands at the head of a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct About {
    /// The version of Sampan that wrote it.
    pub written_by: String,
    /// When, as RFC 3339.
    pub written_at: String,
    /// The data directory it was taken of.
    pub data_dir: String,
}

/// A key space of an instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Space {
    /// The objects of the Kubernetes API.
    Kubernetes,
    /// The keys of the etcd API.
    Etcd,
}

impl Space {
    /// Its folder in the data directory.
    pub fn folder(self) -> &'static str {
        match self {
            Self::Kubernetes => "store",
            Self::Etcd => "etcd",
        }
    }

    /// As it is told to people.
    pub fn title(self) -> &'static str {
        match self {
            Self::Kubernetes => "Kubernetes objects",
            Self::Etcd => "etcd keys",
        }
    }
}

/// One thing in a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Part {
    /// A key space as it was at one revision.
    Space {
        /// Which one.
        space: Space,
        /// The revision.
        revision: u64,
    },
    /// A file of the data directory.
    File {
        /// Where it is there: names separated by slashes.
        path: String,
    },
}

impl std::fmt::Display for Part {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Space { space, revision } => {
                write!(f, "the {} at revision {revision}", space.title())
            }
            Self::File { path } => write!(f, "the file {path}"),
        }
    }
}

/// What a backup turned out to hold, when it was written or read to its end.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Contents {
    /// The parts in their order, with the bytes of each.
    pub parts: Vec<(Part, u64)>,
    /// The bytes of the whole file.
    pub bytes: u64,
    /// The SHA-256 of all but its last frame, in hexadecimal digits.
    pub sha256: String,
}

impl Contents {
    /// `Kubernetes objects at revision 812 (1.2 MB), etcd keys at revision 3 (0.1 kB), 5 files`.
    pub fn summary(&self) -> String {
        let mut said: Vec<String> = Vec::new();
        for (part, bytes) in &self.parts {
            if let Part::Space { space, revision } = part {
                let size = crate::text::size(*bytes);
                said.push(format!("{} at revision {revision} ({size})", space.title()));
            }
        }
        let files = self.parts.iter().filter(|(part, _)| matches!(part, Part::File { .. })).count();
        said.push(format!("{files} certificate and key files"));
        said.join(", ")
    }
}
