//! A snapshot as etcd makes one: a bbolt database of all state at one revision, and its sha256.
//!
//! `etcdctl snapshot restore` makes a member of it, with every key, revision, version, lease, user
//! and role. The history before the revision is not in it, as after a compaction. The cluster
//! version in it is 3.4: that and every later one may begin with it.
//!
//! The database is put together in a file without a name, since its size and its first pages are
//! only known at the end. Memory is bounded whatever the size.

use std::fs::File;
use std::io::{self, BufWriter, Read, Seek as _, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use prost::Message as _;
use sha2::{Digest as _, Sha256};
use store::{Export, ExportError, KeyValue, LeaseId, Store};

use super::bolt::Database;
use super::sort::{Item, Sorter};
use crate::auth::{Accounts, accounts_among};
use crate::kv::key_value;
use crate::pb::etcdserverpb::SnapshotResponse;

/// What is sent in one message.
const CHUNK_BYTES: usize = 64 << 10;

/// What is written to the file at once.
const WRITE_BYTES: usize = 256 << 10;

/// The oldest version that takes such a database, and so do all later ones.
const CLUSTER_VERSION: &[u8] = b"3.4.0";

/// Why a snapshot could not be made or sent.
#[derive(Debug, thiserror::Error)]
pub(super) enum SnapshotError {
    /// The file it is put together in failed.
    #[error("put the snapshot together in {dir}")]
    File { dir: PathBuf, source: io::Error },
    /// The store could not hold on to the state.
    #[error("read the store")]
    Export(#[from] ExportError),
    /// The users and roles are not ours to read.
    #[error("read the users and roles in the store")]
    Accounts(#[from] prost::DecodeError),
    /// The client has gone, or the server is going.
    #[error("nobody waits for the snapshot any more")]
    Gone,
}

/// All that goes into a snapshot, at one revision.
pub(super) struct Snapshot {
    export: Export,
    leases: Vec<(LeaseId, Duration)>,
    accounts: Accounts,
}

impl Snapshot {
    /// Holds on to the state as it is now.
    ///
    /// # Errors
    /// When the record of users and roles is damaged.
    pub(super) fn of(store: &Store) -> Result<Snapshot, SnapshotError> {
        let export = store.export();
        let accounts = accounts_among(export.records())?;
        let leases = export.leases().collect();
        Ok(Snapshot { export, leases, accounts })
    }

    /// Makes the database and hands it over in pieces, its checksum last. Blocks.
    ///
    /// # Errors
    /// See [`SnapshotError`].
    pub(super) fn send(
        self,
        give: impl FnMut(SnapshotResponse) -> Result<(), SnapshotError>,
    ) -> Result<(), SnapshotError> {
        let dir = scratch_dir();
        let file = |source| SnapshotError::File { dir: dir.clone(), source };
        let revision = self.export.revision().0;
        let Snapshot { export, leases, accounts } = self;
        // The store need not hold on to the state while the file is written.
        let sorter = sort(export, Sorter::new(&dir).map_err(file)?, file)?;
        let database = write_database(&dir, sorter, revision, leases, &accounts).map_err(file)?;
        send(database, give, file)
    }
}

/// Reads all keys.
fn sort(
    mut export: Export,
    mut sorter: Sorter,
    failed: impl Fn(io::Error) -> SnapshotError,
) -> Result<Sorter, SnapshotError> {
    while let Some(page) = export.next_page()? {
        for pair in page {
            sorter.push(item(pair)).map_err(&failed)?;
        }
    }
    Ok(sorter)
}

/// Where large files may be for a while: not in memory, as `/tmp` may be.
fn scratch_dir() -> PathBuf {
    let lasting = PathBuf::from("/var/tmp");
    match std::env::var_os("TMPDIR") {
        None if lasting.is_dir() => lasting,
        _ => std::env::temp_dir(),
    }
}

/// etcd's database is in the order of revisions, ours in that of keys.
fn item(pair: KeyValue) -> Item {
    let (number, key) = (pair.mod_revision.0, pair.key.to_vec());
    Item { number, key, value: key_value(pair).encode_to_vec() }
}

fn write_database(
    dir: &Path,
    sorter: Sorter,
    revision: u64,
    leases: Vec<(LeaseId, Duration)>,
    accounts: &Accounts,
) -> io::Result<File> {
    let out = BufWriter::with_capacity(WRITE_BYTES, tempfile::tempfile_in(dir)?);
    let mut database = Database::new(out)?;
    write_keys(&mut database, sorter)?;
    write_leases(&mut database, leases)?;
    write_accounts(&mut database, accounts)?;
    let compacted = revision_key(revision, 0);
    let meta: [(&[u8], &[u8]); 3] = [
        (b"consistent_index", &revision.to_be_bytes()),
        (b"finishedCompactRev", &compacted),
        (b"scheduledCompactRev", &compacted),
    ];
    write_bucket(&mut database, "meta", &meta)?;
    write_bucket(&mut database, "cluster", &[(b"clusterVersion", CLUSTER_VERSION)])?;
    // Who the members are is decided when the snapshot is restored.
    for empty in ["alarm", "members", "members_removed"] {
        write_bucket(&mut database, empty, &[])?;
    }
    database.finish()?.into_inner().map_err(io::IntoInnerError::into_error)
}

type Out = Database<BufWriter<File>>;

fn write_keys(database: &mut Out, sorter: Sorter) -> io::Result<()> {
    let mut bucket = database.bucket("key");
    let (mut main, mut sub) = (0, 0);
    for item in sorter.finish()? {
        let item = item?;
        sub = if item.number == main { sub + 1 } else { 0 };
        main = item.number;
        bucket.put(&revision_key(main, sub), &item.value)?;
    }
    bucket.finish()
}

/// How a revision is written: of keys that one transaction wrote, `sub` counts.
fn revision_key(main: u64, sub: u64) -> [u8; 17] {
    let mut key = [b'_'; 17];
    key[..8].copy_from_slice(&main.to_be_bytes());
    key[9..].copy_from_slice(&sub.to_be_bytes());
    key
}

/// A lease as etcd keeps it. It begins anew when the snapshot is restored, as with a new leader.
#[derive(Clone, PartialEq, prost::Message)]
struct KeptLease {
    #[prost(int64, tag = "1")]
    id: i64,
    /// In seconds.
    #[prost(int64, tag = "2")]
    ttl: i64,
}

fn write_leases(database: &mut Out, mut leases: Vec<(LeaseId, Duration)>) -> io::Result<()> {
    // Their order is that of the bytes of their ids, where the negative ones come last.
    leases.sort_unstable_by_key(|(id, _)| id.0 as u64);
    let mut bucket = database.bucket("lease");
    for (id, ttl) in leases {
        let kept = KeptLease { id: id.0, ttl: i64::try_from(ttl.as_secs()).unwrap_or(i64::MAX) };
        bucket.put(&id.0.to_be_bytes(), &kept.encode_to_vec())?;
    }
    bucket.finish()
}

fn write_accounts(database: &mut Out, accounts: &Accounts) -> io::Result<()> {
    let auth: [(&[u8], &[u8]); 2] = [
        (b"authEnabled", &[u8::from(accounts.enabled)]),
        (b"authRevision", &accounts.revision.to_be_bytes()),
    ];
    write_bucket(database, "auth", &auth)?;
    let mut users = database.bucket("authUsers");
    for (name, user) in &accounts.users {
        users.put(name.as_bytes(), &user.encode_to_vec())?;
    }
    users.finish()?;
    let mut roles = database.bucket("authRoles");
    for (name, role) in &accounts.roles {
        roles.put(name.as_bytes(), &role.encode_to_vec())?;
    }
    roles.finish()
}

fn write_bucket(
    database: &mut Out,
    name: &'static str,
    pairs: &[(&[u8], &[u8])],
) -> io::Result<()> {
    let mut bucket = database.bucket(name);
    for (key, value) in pairs {
        bucket.put(key, value)?;
    }
    bucket.finish()
}

fn send(
    mut database: File,
    mut give: impl FnMut(SnapshotResponse) -> Result<(), SnapshotError>,
    failed: impl Fn(io::Error) -> SnapshotError,
) -> Result<(), SnapshotError> {
    let mut left = database.seek(SeekFrom::End(0)).map_err(&failed)?;
    database.seek(SeekFrom::Start(0)).map_err(&failed)?;
    let mut digest = Sha256::new();
    while left > 0 {
        let len = left.min(CHUNK_BYTES as u64);
        let mut chunk = vec![0; len as usize];
        database.read_exact(&mut chunk).map_err(&failed)?;
        digest.write_all(&chunk).map_err(&failed)?;
        left -= len;
        give(message(left, chunk.into()))?;
    }
    give(message(0, Bytes::copy_from_slice(&digest.finalize())))
}

fn message(remaining_bytes: u64, blob: Bytes) -> SnapshotResponse {
    SnapshotResponse { header: None, remaining_bytes, blob }
}
