//! ConfigMaps and Secrets.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::field::{Field, same};
use crate::names;

/// All values of an object together.
const SIZE_MAX: usize = 1024 * 1024;
const SEALED: &str = "field is immutable when `immutable` is set";
const TOKEN_OWNER: &str = "kubernetes.io/service-account.name";

pub(super) fn config_map(object: &Field<'_>) {
    let (data, binary) = (object.at("data"), object.at("binaryData"));
    let mut size = 0;
    for (key, value) in data.entries() {
        self::key(key, &value);
        if binary.value.get(key).is_some() {
            value.invalid_as(key, "duplicate of key present in binaryData");
        }
        size += value.text().len();
    }
    for (key, value) in binary.entries() {
        self::key(key, &value);
        size += decoded_len(value.text());
    }
    if size > SIZE_MAX {
        // The whole object, for which upstream has this path.
        object.whole().too_long(SIZE_MAX);
    }
}

pub(super) fn secret(object: &Field<'_>) {
    let data = object.at("data");
    let mut size = 0;
    for (key, value) in data.entries() {
        self::key(key, &value);
        size += decoded_len(value.text());
    }
    if size > SIZE_MAX {
        data.too_long(SIZE_MAX);
    }
    of_type(object, &data);
}

fn key(key: &str, value: &Field<'_>) {
    for problem in names::config_map_key(key) {
        value.invalid_as(key, problem);
    }
}

/// How many bytes this base64 stands for.
fn decoded_len(text: &str) -> usize {
    text.trim_end_matches('=').len() * 3 / 4
}

/// What a Secret of a type that others rely on must hold.
fn of_type(object: &Field<'_>, data: &Field<'_>) {
    match object.at("type").text() {
        "kubernetes.io/service-account-token" => {
            object.at("metadata").at("annotations").key(TOKEN_OWNER).must_be_given();
        }
        "kubernetes.io/dockercfg" => json(&data.key(".dockercfg")),
        "kubernetes.io/dockerconfigjson" => json(&data.key(".dockerconfigjson")),
        "kubernetes.io/basic-auth" => {
            let (user, password) = (data.key("username"), data.key("password"));
            if !user.is_some() && !password.is_some() {
                user.required("");
                password.required("");
            }
        }
        "kubernetes.io/ssh-auth" => data.key("ssh-privatekey").must_be_given(),
        "kubernetes.io/tls" => {
            for file in ["tls.crt", "tls.key"].map(|file| data.key(file)) {
                if !file.is_some() {
                    file.required("");
                }
            }
        }
        _ => {}
    }
}

fn json(value: &Field<'_>) {
    if !value.is_some() {
        return value.required("");
    }
    // Secret texts are not repeated in messages.
    let refuse = |why: String| value.invalid_as("<secret contents redacted>", why);
    match STANDARD.decode(value.text()) {
        Ok(bytes) => {
            if let Err(error) = serde_json::from_slice::<Value>(&bytes) {
                refuse(error.to_string());
            }
        }
        Err(error) => refuse(error.to_string()),
    }
}

/// A Secret's type tells its readers what is in it.
pub(super) fn update_secret(object: &Field<'_>, old: &Value) {
    object.at("type").immutable(crate::read::at(old, &["type"]));
    update(object, old);
}

/// What was sealed stays so.
pub(super) fn update(object: &Field<'_>, old: &Value) {
    if !crate::read::flag(old, "immutable") {
        return;
    }
    if !object.at("immutable").flag() {
        object.at("immutable").forbidden(SEALED);
    }
    for field in ["data", "binaryData"] {
        if !same(object.at(field).value, crate::read::at(old, &[field])) {
            object.at(field).forbidden(SEALED);
        }
    }
}
