//! Which images an app's manifests name, and which of them the app has the source of.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use image::build;
use serde_json::Value;

use super::manifests::Manifest;

/// Where the source of an image may lie below the app's folder.
const PLACES: [&str; 4] = ["", "services", "apps", "cmd"];

/// An image that the manifests name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedImage {
    /// As written in the manifests.
    pub name: String,
    /// The folder it is built from, if the app has one.
    pub source: Option<PathBuf>,
    /// The workloads that run it, in the order of the manifests.
    pub used_by: Vec<String>,
}

/// The images of an app, in the order in which the manifests first name them.
pub fn find(dir: &Path, manifests: &[Manifest]) -> Vec<NamedImage> {
    let mut images: Vec<NamedImage> = Vec::new();
    for manifest in manifests {
        let mut names = Vec::new();
        visit_images(&mut manifest.object.clone(), &mut |name| names.push(name.clone()));
        for name in names {
            let user = manifest.name().to_owned();
            match images.iter_mut().find(|image| image.name == name) {
                Some(image) if image.used_by.contains(&user) => {}
                Some(image) => image.used_by.push(user),
                None => {
                    let source = source_of(dir, &name);
                    images.push(NamedImage { name, source, used_by: vec![user] });
                }
            }
        }
    }
    images
}

/// The folder named like the image's last path component, if it can be built.
fn source_of(dir: &Path, name: &str) -> Option<PathBuf> {
    let repository = name.split('@').next()?.rsplit('/').next()?;
    let short = repository.split(':').next()?;
    let places = PLACES.iter().map(|place| dir.join(place).join(short));
    let is_own_folder = || {
        let own = dir.canonicalize().ok()?;
        (own.file_name()?.to_str()? == short).then_some(own)
    };
    places.chain(is_own_folder()).find(|place| place.is_dir() && build::plan(place).is_some())
}

/// Replaces image names by those that were built.
pub fn pin(manifest: &mut Manifest, built: &BTreeMap<String, String>) {
    visit_images(&mut manifest.object, &mut |name| {
        if let Some(pinned) = built.get(name) {
            pinned.clone_into(name);
        }
    });
}

/// Calls `visit` with the image of every container, wherever a pod's spec may stand.
fn visit_images(value: &mut Value, visit: &mut impl FnMut(&mut String)) {
    match value {
        Value::Object(fields) => {
            for (key, inner) in fields {
                if matches!(key.as_str(), "containers" | "initContainers" | "ephemeralContainers") {
                    for container in inner.as_array_mut().into_iter().flatten() {
                        if let Some(Value::String(name)) = container.get_mut("image") {
                            visit(name);
                        }
                    }
                } else {
                    visit_images(inner, visit);
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| visit_images(item, visit)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use std::fs;

    fn deployment(name: &str, image: &str) -> Manifest {
        let containers = json!([{"name": "c", "image": image}]);
        let object = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name},
            "spec": {"template": {"spec": {"containers": containers}}}});
        Manifest { file: "m.yaml".into(), line: 1, object }
    }

    fn app() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for name in ["orders", "services/payments"] {
            let source = dir.path().join(name);
            fs::create_dir_all(source.join("src")).unwrap();
            fs::write(source.join("src/main.rs"), "fn main() {}\n").unwrap();
            let name = source.file_name().unwrap().to_str().unwrap();
            let manifest =
                format!("[package]\nname = \"{name}\"\nversion = \"0.1.0\"\nedition = \"2024\"\n");
            fs::write(source.join("Cargo.toml"), manifest).unwrap();
        }
        dir
    }

    fn check(image: &str, expected: Option<&str>) {
        let dir = app();
        let found = find(dir.path(), &[deployment("x", image)]);
        let source =
            found[0].source.as_ref().map(|s| s.strip_prefix(dir.path()).unwrap().to_owned());
        assert_eq!(source, expected.map(PathBuf::from));
    }

    #[test]
    fn the_last_path_component_names_the_folder() {
        check("orders", Some("orders"));
        check("registry.example:5000/shop/orders:dev", Some("orders"));
        check("payments", Some("services/payments"));
        check("nginx:1.27", None);
    }

    #[test]
    fn an_image_that_two_workloads_run_is_found_once() {
        let dir = app();
        let found = find(dir.path(), &[deployment("a", "orders"), deployment("b", "orders")]);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].used_by, ["a", "b"]);
    }

    #[test]
    fn pinning_changes_only_what_was_built() {
        let mut manifest = deployment("a", "orders");
        pin(&mut manifest, &[("orders".to_owned(), "orders:abc".to_owned())].into());
        let image = &manifest.object["spec"]["template"]["spec"]["containers"][0]["image"];
        assert_eq!(image, "orders:abc");
    }
}
