//! The image of a container, found on this box.

use image::{Digest, Image, ImageStore, Reference};
use k8s_openapi::api::core::v1::Container;

use super::spec::ImageFacts;
use super::state::Waiting;

/// Why there is no image.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ImageError {
    #[error("image reference {0:?} is not valid: {1}")]
    Name(String, String),
    #[error(
        "image {0:?} is not on this machine; import it with 'sampan load FILE' or build it with 'sampan build DIR' (pulling from a registry is not supported yet)"
    )]
    Absent(String),
    #[error("read image {0:?}: {1}")]
    Read(String, String),
}

impl ImageError {
    /// The waiting state it makes; a second time in a row it is a back-off.
    pub(crate) fn waiting(&self, container: &Container, again: bool) -> Waiting {
        let never = container.image_pull_policy.as_deref() == Some("Never");
        let reason = match self {
            Self::Name(..) => "InvalidImageName",
            Self::Absent(_) if never => "ErrImageNeverPull",
            Self::Read(..) => "ImageInspectError",
            Self::Absent(_) if again => "ImagePullBackOff",
            Self::Absent(_) => "ErrImagePull",
        };
        Waiting { reason, message: self.to_string() }
    }
}

/// Finds the image by the name the container gives, unpacked and ready to run. Blocking.
pub(crate) fn find(store: &ImageStore, name: &str) -> Result<(ImageFacts, Digest), ImageError> {
    let reference = Reference::parse(name)
        .map_err(|error| ImageError::Name(name.to_owned(), error.to_string()))?;
    let read = |error: String| ImageError::Read(name.to_owned(), error);
    let found = store.find(&reference).map_err(|error| read(chain(&error)))?;
    let image = found.ok_or_else(|| ImageError::Absent(name.to_owned()))?;
    let layers = store.rootfs(&image).map_err(|error| read(chain(&error)))?;
    Ok((ImageFacts { layers, ..facts(&image) }, image.digest))
}

/// The signal that an image wants its containers ended with. Blocking; an image that is gone
/// wants nothing.
pub(crate) fn stop_signal(store: &ImageStore, id: &str) -> Option<String> {
    let image = store.get(&id.parse().ok()?).ok().flatten()?;
    image.config.config().as_ref()?.stop_signal().clone()
}

/// An error with all its causes.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

fn facts(image: &Image) -> ImageFacts {
    let config = image.config.config().clone().unwrap_or_default();
    let pairs = config.env().iter().flatten().map(|pair| match pair.split_once('=') {
        Some((name, value)) => (name.to_owned(), value.to_owned()),
        None => (pair.clone(), String::new()),
    });
    ImageFacts {
        id: image.digest.to_string(),
        entrypoint: config.entrypoint().clone().unwrap_or_default(),
        command: config.cmd().clone().unwrap_or_default(),
        env: pairs.collect(),
        working_dir: config.working_dir().clone().unwrap_or_default(),
        user: config.user().clone().unwrap_or_default(),
        layers: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(policy: &str, again: bool, expected: &str) {
        let container =
            Container { image_pull_policy: Some(policy.to_owned()), ..Container::default() };
        let waiting = ImageError::Absent("x".into()).waiting(&container, again);
        assert_eq!(waiting.reason, expected);
    }

    #[test]
    fn an_absent_image_backs_off_unless_it_is_never_pulled() {
        check("IfNotPresent", false, "ErrImagePull");
        check("Always", true, "ImagePullBackOff");
        check("Never", false, "ErrImageNeverPull");
        check("Never", true, "ErrImageNeverPull");
    }

    #[test]
    fn an_absent_image_says_what_to_do() {
        let text = ImageError::Absent("orders:dev".into()).to_string();
        assert!(
            text.starts_with("image \"orders:dev\" is not on this machine; import it"),
            "{text}"
        );
    }

    #[test]
    fn an_empty_store_has_no_image_and_a_bad_name_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let store = ImageStore::open(dir.path()).unwrap();
        assert!(matches!(find(&store, "orders:dev"), Err(ImageError::Absent(_))));
        assert!(matches!(find(&store, "Not A Name"), Err(ImageError::Name(..))));
    }
}
