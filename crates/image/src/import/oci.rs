//! The OCI archive: an `index.json` over blobs by digest. New `docker save` archives are one too.

use std::collections::HashMap;

use oci_spec::image::{
    Descriptor, ImageConfiguration, ImageIndex, ImageManifest, MediaType, Platform,
};

use super::{Import, ImportError, this_platform};
use crate::archive::Spooled;
use crate::{Digest, Reference};

/// The whole name, by containerd, docker and buildkit.
const FULL_NAME: &str = "io.containerd.image.name";
/// A whole name by some tools, a bare tag by others.
const REF_NAME: &str = "org.opencontainers.image.ref.name";
const DOCKER_INDEX: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
/// An index may point to an index; nobody nests deeper.
const DEPTH_MAX: usize = 4;

impl Import<'_> {
    pub(super) fn oci(&self) -> Result<Vec<Reference>, ImportError> {
        let (index, _): (ImageIndex, _) = self.document("index.json")?;
        if index.manifests().is_empty() {
            return Err(self.not_an_image("its index.json lists no image"));
        }
        let fitting: Vec<_> = index.manifests().iter().filter(|d| fits(d.platform())).collect();
        if fitting.is_empty() {
            return Err(self.no_platform(&index));
        }
        let mut names = Vec::new();
        for descriptor in fitting {
            names.extend(self.oci_image(descriptor)?);
        }
        Ok(names)
    }

    fn oci_image(&self, top: &Descriptor) -> Result<Vec<Reference>, ImportError> {
        let descriptor = self.choose(top.clone(), DEPTH_MAX)?;
        let (file, name) = self.blob(&descriptor)?;
        let (manifest, _): (ImageManifest, _) = self.document(&name)?;
        let (config_file, config_name) = self.blob(manifest.config())?;
        let (config, _): (ImageConfiguration, _) = self.document(&config_name)?;
        self.check_platform(&config.os().to_string(), &config.architecture().to_string())?;
        let names = self.oci_names(top, config_file.digest)?;
        let blobs: Result<Vec<_>, _> = manifest.layers().iter().map(|l| self.blob(l)).collect();
        for (layer, _) in blobs? {
            self.adopt(layer)?;
        }
        let (manifest_digest, config_file) = (file.digest, config_file.clone());
        self.adopt(&config_file)?;
        self.adopt(file)?;
        self.publish(manifest_digest, &names)?;
        Ok(names)
    }

    /// Down from an index to the manifest for this machine.
    fn choose(&self, descriptor: Descriptor, depth: usize) -> Result<Descriptor, ImportError> {
        if !is_index(descriptor.media_type()) {
            return Ok(descriptor);
        }
        if depth == 0 {
            return Err(self.not_an_image("its indexes are nested too deep"));
        }
        let (_, name) = self.blob(&descriptor)?;
        let (index, _): (ImageIndex, _) = self.document(&name)?;
        let chosen = index.manifests().iter().find(|d| fits(d.platform())).cloned();
        self.choose(chosen.ok_or_else(|| self.no_platform(&index))?, depth - 1)
    }

    /// The blob a descriptor means, verified, and its name in the archive.
    fn blob(&self, descriptor: &Descriptor) -> Result<(&Spooled, String), ImportError> {
        let wanted = descriptor.digest().as_ref();
        let digest: Digest =
            wanted.parse().map_err(|error| self.not_an_image(format!("{error}")))?;
        let name = format!("blobs/sha256/{}", digest.hex());
        let file = self.file(&name)?;
        if file.digest != digest || file.size != descriptor.size() {
            let reason = format!("the content of {name} is {} ({} bytes)", file.digest, file.size);
            return Err(self.not_an_image(reason));
        }
        Ok((file, name))
    }

    fn oci_names(&self, top: &Descriptor, config: Digest) -> Result<Vec<Reference>, ImportError> {
        let none = HashMap::new();
        let annotations = top.annotations().as_ref().unwrap_or(&none);
        if let Some(full) = annotations.get(FULL_NAME) {
            return self.names(std::slice::from_ref(full));
        }
        let beside = self.docker_names(config)?;
        match annotations.get(REF_NAME) {
            Some(name) if name.contains([':', '/']) => self.names(std::slice::from_ref(name)),
            Some(tag) if beside.is_empty() => Ok(vec![self.name_of_file(tag)?]),
            _ => self.names(&beside),
        }
    }

    fn no_platform(&self, index: &ImageIndex) -> ImportError {
        let platforms = index.manifests().iter().filter_map(|d| d.platform().as_ref());
        let found: Vec<_> = platforms.map(shown).collect();
        ImportError::Platform {
            path: self.path.to_owned(),
            wanted: this_platform(),
            found: found.join(", "),
        }
    }
}

fn is_index(media_type: &MediaType) -> bool {
    match media_type {
        MediaType::ImageIndex => true,
        other => other.as_ref() == DOCKER_INDEX,
    }
}

/// An index entry without a platform may be for any; its configuration is asked later. Build
/// attestations say `unknown/unknown` and are no images.
fn fits(platform: &Option<Platform>) -> bool {
    platform.as_ref().is_none_or(|platform| shown(platform) == this_platform())
}

fn shown(platform: &Platform) -> String {
    format!("{}/{}", platform.os(), platform.architecture())
}
