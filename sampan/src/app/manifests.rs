//! Reading an app's manifests from its folder.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use serde_json::Value;

/// Folders below the app's own that hold manifests, read whole.
const FOLDERS: [&str; 4] = ["manifests", "k8s", "kubernetes", "deploy"];
/// How deep folders of manifests may nest.
const DEPTH_MAX: usize = 8;
/// The largest file that is read as a manifest.
const FILE_BYTES_MAX: u64 = 8 << 20;

/// One object of a manifest file.
#[derive(Debug, Clone)]
pub struct Manifest {
    pub file: PathBuf,
    /// The line its document starts at, from 1.
    pub line: usize,
    pub object: Value,
}

impl Manifest {
    pub fn kind(&self) -> &str {
        self.object["kind"].as_str().unwrap_or_default()
    }

    pub fn api_version(&self) -> &str {
        self.object["apiVersion"].as_str().unwrap_or_default()
    }

    pub fn name(&self) -> &str {
        self.object["metadata"]["name"].as_str().unwrap_or_default()
    }

    pub fn namespace(&self) -> Option<&str> {
        self.object["metadata"]["namespace"].as_str()
    }

    /// `Deployment orders (manifests/orders.yaml:1)`
    pub fn describe(&self) -> String {
        format!("{} {} ({}:{})", self.kind(), self.name(), self.file.display(), self.line)
    }
}

/// All objects in the app's folder, in the order of their files' names.
pub fn read(dir: &Path) -> anyhow::Result<Vec<Manifest>> {
    if !dir.is_dir() {
        bail!(
            "{} is no folder\ngive 'sampan up' the folder that holds your manifests",
            dir.display()
        );
    }
    let mut objects = Vec::new();
    for path in manifest_files(dir, 0)? {
        // Beside manifests, an app's own folder may hold other YAML, such as compose.yaml.
        objects.extend(read_file(dir, &path)?.into_iter().filter(is_kubernetes));
    }
    for folder in FOLDERS.map(|name| dir.join(name)) {
        for path in if folder.is_dir() { all_files(&folder)? } else { Vec::new() } {
            for object in read_file(dir, &path)? {
                if !is_kubernetes(&object) {
                    let at = format!("{}:{}", object.file.display(), object.line);
                    bail!("{at}: a manifest needs apiVersion and kind");
                }
                objects.push(object);
            }
        }
    }
    if objects.is_empty() {
        bail!(
            "no Kubernetes manifests in {}\nput them there or into {}/manifests, as *.yaml, *.yml or *.json",
            dir.display(),
            dir.display()
        );
    }
    Ok(objects)
}

fn is_kubernetes(manifest: &Manifest) -> bool {
    !manifest.api_version().is_empty() && !manifest.kind().is_empty()
}

fn all_files(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    manifest_files(folder, DEPTH_MAX)
}

fn manifest_files(dir: &Path, depth: usize) -> anyhow::Result<Vec<PathBuf>> {
    let attempt = || format!("list the folder {}", dir.display());
    let mut files = Vec::new();
    for entry in fs::read_dir(dir).with_context(attempt)? {
        let path = entry.with_context(attempt)?.path();
        let extension = path.extension().and_then(|extension| extension.to_str());
        if path.is_dir() && depth > 0 {
            files.extend(manifest_files(&path, depth - 1)?);
        } else if path.is_file() && matches!(extension, Some("yaml" | "yml" | "json")) {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

fn read_file(root: &Path, path: &Path) -> anyhow::Result<Vec<Manifest>> {
    let attempt = || format!("read {}", path.display());
    let size = fs::metadata(path).with_context(attempt)?.len();
    if size > FILE_BYTES_MAX {
        bail!("{} is too large for a manifest ({size} bytes)", path.display());
    }
    let text = fs::read_to_string(path).with_context(attempt)?;
    let file = path.strip_prefix(root).unwrap_or(path).to_owned();
    let mut objects = Vec::new();
    for (line, document) in documents(&text) {
        for object in flatten(parse(&file, line, document)?) {
            objects.push(Manifest { file: file.clone(), line, object });
        }
    }
    Ok(objects)
}

/// The documents of a YAML stream, each with the line it starts at.
fn documents(text: &str) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    let (mut start, mut start_line, mut offset) = (0, 1, 0);
    for (index, line) in text.split_inclusive('\n').enumerate() {
        offset += line.len();
        if line.trim_end() == "---" || line.starts_with("--- ") {
            found.push((start_line, &text[start..offset - line.len()]));
            (start, start_line) = (offset, index + 2);
        }
    }
    found.push((start_line, &text[start..]));
    found.retain(|(_, document)| document.lines().any(|line| !is_blank(line)));
    found
}

fn is_blank(line: &str) -> bool {
    let line = line.trim();
    line.is_empty() || line.starts_with('#')
}

fn parse(file: &Path, start: usize, document: &str) -> anyhow::Result<Value> {
    serde_saphyr::from_str(document).map_err(|error| {
        let line = error.location().map_or(start, |at| start + at.line().max(1) as usize - 1);
        let text = error.without_snippet().to_string();
        let reason = text.split(" at line ").next().unwrap_or(&text);
        anyhow::anyhow!("{}:{line}: broken YAML: {reason}", file.display())
    })
}

/// A `List` stands for its items.
fn flatten(object: Value) -> Vec<Value> {
    match (object["kind"].as_str(), object["items"].as_array()) {
        (Some("List"), Some(items)) => items.clone(),
        _ => vec![object],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(files: &[(&str, &str)], expected: Result<&[&str], &str>) {
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = dir.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let seen = read(dir.path());
        match (seen, expected) {
            (Ok(seen), Ok(expected)) => {
                assert_eq!(seen.iter().map(Manifest::describe).collect::<Vec<_>>(), expected);
            }
            (Err(error), Err(expected)) => {
                assert!(format!("{error:#}").contains(expected), "{error:#}");
            }
            (seen, expected) => panic!("{seen:?} is not {expected:?}"),
        }
    }

    const POD: &str = "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\n";

    #[test]
    fn documents_know_their_lines() {
        let two = format!("# first\n{POD}---\n{POD}---\n# nothing\n");
        check(
            &[("manifests/a.yaml", &two)],
            Ok(&["Pod p (manifests/a.yaml:1)", "Pod p (manifests/a.yaml:6)"]),
        );
    }

    #[test]
    fn other_yaml_beside_manifests_is_passed_over() {
        check(&[("compose.yaml", "services: {}\n"), ("pod.yml", POD)], Ok(&["Pod p (pod.yml:1)"]));
    }

    #[test]
    fn lists_stand_for_their_items() {
        let list = r#"{"kind":"List","apiVersion":"v1","items":[{"apiVersion":"v1","kind":"Pod","metadata":{"name":"p"}}]}"#;
        check(&[("list.json", list)], Ok(&["Pod p (list.json:1)"]));
    }

    #[test]
    fn broken_yaml_is_told_with_file_and_line() {
        let broken = format!("{POD}---\napiVersion: v1\nkind: [Pod\n");
        check(&[("k8s/bad.yaml", &broken)], Err("k8s/bad.yaml:"));
        check(&[("k8s/bad.yaml", &broken)], Err("broken YAML"));
    }

    #[test]
    fn a_manifest_without_kind_is_refused() {
        check(
            &[("k8s/a.yaml", "apiVersion: v1\n")],
            Err("k8s/a.yaml:1: a manifest needs apiVersion and kind"),
        );
    }

    #[test]
    fn an_empty_folder_is_told() {
        check(&[], Err("no Kubernetes manifests in"));
    }
}
