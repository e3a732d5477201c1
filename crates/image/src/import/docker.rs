//! The docker archive: a `manifest.json` that lists configurations, names and layers.

use std::io::Read;

use oci_spec::image::ImageConfiguration;
use serde::Deserialize;

use super::{Import, ImportError};
use crate::archive::Spooled;
use crate::compression::Compression;
use crate::{Digest, NewBlob, NewLayer, Reference};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Image {
    pub(super) config: String,
    pub(super) repo_tags: Option<Vec<String>>,
    layers: Vec<String>,
}

impl Import<'_> {
    pub(super) fn docker(&self) -> Result<Vec<Reference>, ImportError> {
        let (images, _): (Vec<Image>, _) = self.document("manifest.json")?;
        if images.is_empty() {
            return Err(self.not_an_image("its manifest.json lists no image"));
        }
        let mut names = Vec::new();
        for image in &images {
            names.extend(self.docker_image(image)?);
        }
        Ok(names)
    }

    fn docker_image(&self, image: &Image) -> Result<Vec<Reference>, ImportError> {
        let (config, bytes): (ImageConfiguration, _) = self.document(&image.config)?;
        self.check_platform(&config.os().to_string(), &config.architecture().to_string())?;
        let diff_ids = config.rootfs().diff_ids();
        if diff_ids.len() != image.layers.len() {
            let (layers, ids) = (image.layers.len(), diff_ids.len());
            let reason = format!("{} lists {ids} layers, the archive {layers}", image.config);
            return Err(self.not_an_image(reason));
        }
        let names = self.names(image.repo_tags.as_deref().unwrap_or_default())?;
        let layers: Result<Vec<_>, _> = image
            .layers
            .iter()
            .zip(diff_ids)
            .map(|(name, id)| self.docker_layer(name, id))
            .collect();
        self.store.add(&bytes, &layers?, &names)?;
        Ok(names)
    }

    fn docker_layer(&self, name: &str, diff_id: &str) -> Result<NewLayer, ImportError> {
        let file = self.file(name)?;
        let (digest, size) = (file.digest, file.size);
        let compression = self.compression(file)?;
        // A compressed layer is checked against its diff id when it is unpacked.
        if compression == Compression::Plain && diff_id.parse().ok() != Some(digest) {
            let reason = format!("layer {name} is {digest}, but the image says {diff_id}");
            return Err(self.not_an_image(reason));
        }
        self.adopt(file)?;
        Ok(NewLayer { blob: NewBlob { digest, size }, compression })
    }

    fn compression(&self, file: &Spooled) -> Result<Compression, ImportError> {
        let mut start = Vec::new();
        std::fs::File::open(self.location(file))
            .and_then(|file| file.take(4).read_to_end(&mut start))
            .map_err(|source| ImportError::Spool { path: self.path.to_owned(), source })?;
        Ok(Compression::of(&start))
    }

    /// The names that a `manifest.json` beside an OCI index has for the image of this configuration.
    pub(super) fn docker_names(&self, config: Digest) -> Result<Vec<String>, ImportError> {
        if self.spool.file("manifest.json").is_none() {
            return Ok(Vec::new());
        }
        let (images, _): (Vec<Image>, _) = self.document("manifest.json")?;
        let of_config = |image: &Image| {
            self.spool.file(&image.config).is_some_and(|file| file.digest == config)
        };
        let image = images.into_iter().find(of_config);
        Ok(image.and_then(|image| image.repo_tags).unwrap_or_default())
    }
}
