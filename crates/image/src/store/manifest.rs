//! The documents of an image: its manifest and its configuration.

use oci_spec::image::{ImageConfiguration, ImageManifest, MediaType};
use serde::Serialize;

use super::{Layer, NewLayer, StoreError};
use crate::blobs::NewBlob;
use crate::compression::Compression;
use crate::{Digest, ParseDigestError};

pub(super) fn layers(
    digest: Digest,
    manifest: &ImageManifest,
    config: &ImageConfiguration,
) -> Result<Vec<Layer>, StoreError> {
    let diff_ids = config.rootfs().diff_ids();
    if diff_ids.len() != manifest.layers().len() {
        let (layers, ids) = (manifest.layers().len(), diff_ids.len());
        let reason = format!("it has {layers} layers, but its configuration lists {ids}");
        return Err(StoreError::Malformed { what: "manifest", digest, reason });
    }
    let pairs = manifest.layers().iter().zip(diff_ids);
    pairs
        .map(|(layer, diff_id)| {
            let diff_id = diff_id
                .parse()
                .map_err(|error: ParseDigestError| malformed("configuration", digest, &error))?;
            Ok(Layer { digest: sha256(digest, layer.digest())?, diff_id, size: layer.size() })
        })
        .collect()
}

pub(super) fn sha256(
    manifest: Digest,
    wanted: &oci_spec::image::Digest,
) -> Result<Digest, StoreError> {
    wanted
        .as_ref()
        .parse()
        .map_err(|error: ParseDigestError| malformed("manifest", manifest, &error))
}

pub(super) fn parse_document<T: serde::de::DeserializeOwned>(
    what: &'static str,
    digest: Digest,
    bytes: &[u8],
) -> Result<T, StoreError> {
    serde_json::from_slice(bytes).map_err(|error| malformed(what, digest, &error))
}

fn malformed(what: &'static str, digest: Digest, error: &dyn std::fmt::Display) -> StoreError {
    StoreError::Malformed { what, digest, reason: error.to_string() }
}

/// The manifest's bytes; the order of its fields is fixed, so that equal images have equal digests.
pub(super) fn manifest_json(config: NewBlob, layers: &[NewLayer]) -> Vec<u8> {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Descriptor {
        media_type: MediaType,
        digest: Digest,
        size: u64,
    }
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Manifest {
        schema_version: u32,
        media_type: MediaType,
        config: Descriptor,
        layers: Vec<Descriptor>,
    }
    let descriptor =
        |media_type, blob: NewBlob| Descriptor { media_type, digest: blob.digest, size: blob.size };
    let media_type = |compression| match compression {
        Compression::Plain => MediaType::ImageLayer,
        Compression::Gzip => MediaType::ImageLayerGzip,
        Compression::Zstd => MediaType::ImageLayerZstd,
    };
    let manifest = Manifest {
        schema_version: 2,
        media_type: MediaType::ImageManifest,
        config: descriptor(MediaType::ImageConfig, config),
        layers: layers.iter().map(|l| descriptor(media_type(l.compression), l.blob)).collect(),
    };
    serde_json::to_vec(&manifest).expect("text and numbers always serialise")
}
