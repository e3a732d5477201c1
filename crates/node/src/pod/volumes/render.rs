//! Which files a configMap, secret, downwardAPI or projected volume holds: pure.

use std::collections::BTreeMap;
use std::path::{Component, Path};

use k8s_openapi::api::core::v1::{
    DownwardAPIVolumeFile, KeyToPath, Pod, ServiceAccountTokenProjection, Volume, VolumeProjection,
};

use super::VolumeError;
use crate::pod::fields::{self, Place};
use crate::pod::references::Sources;
use crate::pod::security;

/// The mode of a file when nothing else is said.
const MODE: u32 = 0o644;
/// The mode of a token that is for a user or a group.
const TOKEN_MODE: u32 = 0o600;

/// One file of a volume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct File {
    pub content: Vec<u8>,
    pub mode: u32,
    /// Whose it is, if not root's.
    pub owner: Option<u32>,
}

impl File {
    fn of_root(content: Vec<u8>, mode: u32) -> Self {
        Self { content, mode, owner: None }
    }
}

/// The files of a volume by their path in it.
pub(crate) type Files = BTreeMap<String, File>;

/// What rendering looks things up in. `tokens` holds a token per [`token_key`].
pub(crate) struct Context<'a> {
    pub pod: &'a Pod,
    pub place: &'a Place,
    pub sources: &'a Sources,
    pub tokens: &'a BTreeMap<String, String>,
}

/// The service account tokens a pod's volumes hold: key and what is asked for.
pub(crate) fn tokens(volume: &Volume) -> Vec<(String, &ServiceAccountTokenProjection)> {
    let sources = volume.projected.iter().filter_map(|projected| projected.sources.as_ref());
    let tokens = sources.flatten().filter_map(|source| source.service_account_token.as_ref());
    tokens.map(|token| (token_key(&volume.name, token), token)).collect()
}

fn token_key(volume: &str, token: &ServiceAccountTokenProjection) -> String {
    format!("{volume}/{}", token.path)
}

/// The files of `volume`; no files for the other kinds.
pub(crate) fn render(volume: &Volume, context: &Context<'_>) -> Result<Files, VolumeError> {
    let mut files = Files::new();
    if let Some(source) = &volume.config_map {
        let mode = mode(source.default_mode, MODE);
        let keys = Keys { items: source.items.as_deref(), optional: source.optional, mode };
        context.config_map(&source.name, &keys, &mut files)?;
    }
    if let Some(source) = &volume.secret {
        let mode = mode(source.default_mode, MODE);
        let keys = Keys { items: source.items.as_deref(), optional: source.optional, mode };
        let name = source.secret_name.as_deref().unwrap_or_default();
        context.secret(name, &keys, &mut files)?;
    }
    if let Some(source) = &volume.downward_api {
        let mode = mode(source.default_mode, MODE);
        context.downward(source.items.as_deref().unwrap_or_default(), mode, &mut files)?;
    }
    if let Some(projected) = &volume.projected {
        let mode = mode(projected.default_mode, MODE);
        for source in projected.sources.iter().flatten() {
            context.projection(&volume.name, source, mode, &mut files)?;
        }
    }
    match files.keys().find(|path| escapes(path)) {
        Some(path) => Err(VolumeError::Escape(path.clone())),
        None => Ok(files),
    }
}

fn mode(given: Option<i32>, default: u32) -> u32 {
    given.and_then(|mode| u32::try_from(mode).ok()).map_or(default, |mode| mode & 0o777)
}

/// Whether a path of the spec would lead out of the volume, or hide in its machinery.
pub(crate) fn escapes(path: &str) -> bool {
    let plain = |part| matches!(part, Component::Normal(_));
    path.is_empty() || path.starts_with("..") || !Path::new(path).components().all(plain)
}

/// Which keys of an object become files.
struct Keys<'a> {
    items: Option<&'a [KeyToPath]>,
    optional: Option<bool>,
    mode: u32,
}

impl Context<'_> {
    fn config_map(
        &self,
        name: &str,
        keys: &Keys<'_>,
        files: &mut Files,
    ) -> Result<(), VolumeError> {
        let map = self.sources.config_maps.get(name);
        let all = map.map(|map| {
            let text = map.data.iter().flatten().map(|(k, v)| (k.clone(), v.clone().into_bytes()));
            let binary = map.binary_data.iter().flatten().map(|(k, v)| (k.clone(), v.0.clone()));
            text.chain(binary).collect()
        });
        pick("configmap", name, all, keys, files)
    }

    fn secret(&self, name: &str, keys: &Keys<'_>, files: &mut Files) -> Result<(), VolumeError> {
        let secret = self.sources.secrets.get(name);
        let all = secret.map(|secret| {
            secret.data.iter().flatten().map(|(k, v)| (k.clone(), v.0.clone())).collect()
        });
        pick("secret", name, all, keys, files)
    }

    fn downward(
        &self,
        items: &[DownwardAPIVolumeFile],
        default: u32,
        files: &mut Files,
    ) -> Result<(), VolumeError> {
        for item in items {
            let content = match (&item.field_ref, &item.resource_field_ref) {
                (Some(field), _) => fields::field(self.pod, self.place, &field.field_path)?,
                (None, Some(resource)) => fields::resource(self.pod, None, self.place, resource)?,
                (None, None) => continue,
            };
            let file = File::of_root(content.into_bytes(), mode(item.mode, default));
            files.insert(item.path.clone(), file);
        }
        Ok(())
    }

    fn projection(
        &self,
        volume: &str,
        source: &VolumeProjection,
        mode: u32,
        files: &mut Files,
    ) -> Result<(), VolumeError> {
        if let Some(map) = &source.config_map {
            let keys = Keys { items: map.items.as_deref(), optional: map.optional, mode };
            self.config_map(&map.name, &keys, files)?;
        }
        if let Some(secret) = &source.secret {
            let keys = Keys { items: secret.items.as_deref(), optional: secret.optional, mode };
            self.secret(&secret.name, &keys, files)?;
        }
        if let Some(downward) = &source.downward_api {
            self.downward(downward.items.as_deref().unwrap_or_default(), mode, files)?;
        }
        if let Some(token) = &source.service_account_token {
            let key = token_key(volume, token);
            let missing = || VolumeError::NoObject { kind: "token", name: key.clone() };
            let content = self.tokens.get(&key).ok_or_else(missing)?.clone().into_bytes();
            files.insert(token.path.clone(), self.token(content, mode));
        }
        Ok(())
    }
}

impl Context<'_> {
    /// A token is for the one user that the pod runs as, or for its `fsGroup`; for everybody only without both.
    fn token(&self, content: Vec<u8>, mode: u32) -> File {
        let owner = security::common_user(self.pod);
        let is_somebodys = owner.is_some() || security::fs_group(self.pod).is_some();
        File { content, mode: if is_somebodys { TOKEN_MODE } else { mode }, owner }
    }
}

/// The wanted keys of an object as files; None for `all` when there is no such object.
fn pick(
    kind: &'static str,
    name: &str,
    all: Option<BTreeMap<String, Vec<u8>>>,
    keys: &Keys<'_>,
    files: &mut Files,
) -> Result<(), VolumeError> {
    let optional = keys.optional == Some(true);
    let Some(all) = all else {
        let error = VolumeError::NoObject { kind, name: name.to_owned() };
        return if optional { Ok(()) } else { Err(error) };
    };
    let Some(items) = keys.items else {
        let file = |content| File::of_root(content, keys.mode);
        files.extend(all.into_iter().map(|(key, content)| (key, file(content))));
        return Ok(());
    };
    for item in items {
        match all.get(&item.key) {
            Some(content) => {
                let mode = mode(item.mode, keys.mode);
                files.insert(item.path.clone(), File::of_root(content.clone(), mode));
            }
            None if optional => {}
            None => {
                let (name, key) = (name.to_owned(), item.key.clone());
                return Err(VolumeError::NoKey { kind, name, key });
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};
    use std::sync::Arc;

    fn rendered(volume: Value) -> Result<Files, VolumeError> {
        let mut sources = Sources::default();
        let map = json!({"data": {"a": "1", "b": "2"}, "binaryData": {"c": "/w=="}});
        sources.config_maps.insert("m".into(), Arc::new(serde_json::from_value(map).unwrap()));
        let secret = json!({"data": {"p": "aHVudGVyMg=="}});
        sources.secrets.insert("s".into(), Arc::new(serde_json::from_value(secret).unwrap()));
        let pod =
            serde_json::from_value(json!({"metadata": {"name": "web", "labels": {"x": "y"}}}));
        let mut volume = volume;
        volume["name"] = json!("v");
        render(
            &serde_json::from_value(volume).unwrap(),
            &Context {
                pod: &pod.unwrap(),
                place: &Place::default(),
                sources: &sources,
                tokens: &BTreeMap::from([("v/token".to_owned(), "ey".to_owned())]),
            },
        )
    }

    /// `expected` is one `path mode content` a file.
    fn check(volume: Value, expected: &[&str]) {
        let files = rendered(volume).unwrap();
        let line = |(path, file): (&String, &File)| {
            format!("{path} {:o} {}", file.mode, String::from_utf8_lossy(&file.content))
        };
        assert_eq!(files.iter().map(line).collect::<Vec<_>>(), expected);
    }

    fn check_error(volume: Value, expected: &str) {
        assert_eq!(rendered(volume).unwrap_err().to_string(), expected);
    }

    #[test]
    fn all_keys_of_a_config_map_become_files() {
        check(
            json!({"configMap": {"name": "m", "defaultMode": 0o400}}),
            &["a 400 1", "b 400 2", "c 400 \u{fffd}"],
        );
    }

    #[test]
    fn items_choose_and_rename_keys() {
        check(
            json!({"secret": {"secretName": "s", "items": [{"key": "p", "path": "x/y", "mode": 0o600}]}}),
            &["x/y 600 hunter2"],
        );
        check_error(
            json!({"configMap": {"name": "m", "items": [{"key": "z", "path": "z"}]}}),
            "configmap \"m\" has no key \"z\"",
        );
    }

    #[test]
    fn optional_objects_may_be_missing() {
        check(json!({"configMap": {"name": "none", "optional": true}}), &[]);
        check_error(json!({"secret": {"secretName": "none"}}), "secret \"none\" not found");
    }

    #[test]
    fn projections_are_put_together() {
        check(
            json!({"projected": {"sources": [
                {"serviceAccountToken": {"path": "token"}},
                {"configMap": {"name": "m", "items": [{"key": "a", "path": "ca.crt"}]}},
                {"downwardAPI": {"items": [{"path": "labels",
                    "fieldRef": {"fieldPath": "metadata.labels"}}]}}]}}),
            &["ca.crt 644 1", "labels 644 x=\"y\"", "token 644 ey"],
        );
    }

    /// The mode and the owner of a token in a pod of this spec.
    fn check_token(spec: Value, mode: u32, owner: Option<u32>) {
        let pod: Pod = serde_json::from_value(json!({"spec": spec})).unwrap();
        let (place, sources) = (Place::default(), Sources::default());
        let context =
            Context { pod: &pod, place: &place, sources: &sources, tokens: &BTreeMap::new() };
        let file = context.token(b"ey".to_vec(), 0o644);
        assert_eq!((file.mode, file.owner), (mode, owner), "{spec}");
    }

    #[test]
    fn a_token_is_for_the_user_and_group_of_the_pod() {
        let spec = |shared: Value, own: Value| {
            json!({"securityContext": shared, "containers": [
                {"name": "a"}, {"name": "b", "securityContext": own}]})
        };
        check_token(spec(json!({}), json!({})), 0o644, None);
        check_token(spec(json!({"runAsUser": 1000}), json!({})), 0o600, Some(1000));
        check_token(spec(json!({"runAsUser": 1000}), json!({"runAsUser": 7})), 0o644, None);
        check_token(spec(json!({}), json!({"runAsUser": 7})), 0o644, None);
        check_token(spec(json!({"fsGroup": 10}), json!({})), 0o600, None);
        let both = json!({"fsGroup": 10, "runAsUser": 1000});
        check_token(spec(both, json!({})), 0o600, Some(1000));
    }

    #[test]
    fn a_path_that_leaves_the_volume_is_refused() {
        for path in ["../x", "/etc/x", "a/../../x", "..data", ""] {
            check_error(
                json!({"configMap": {"name": "m", "items": [{"key": "a", "path": path}]}}),
                &format!("path {path:?} leaves the volume"),
            );
        }
    }
}
