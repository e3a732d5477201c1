//! Configuration: a typed struct from a file and the environment.
//!
//! The struct's own fields say what can be set. A field `productsUrl` or `products_url` is taken
//! from the variable `PRODUCTS_URL`, else from the file, else from its serde default; a field of a
//! nested struct `payments` from `PAYMENTS__…`. Every error names the key and where it came from.

mod deserializer;

use std::collections::HashMap;
use std::env;
use std::io;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde_json::Value;

pub use deserializer::KeyError;

/// Names the file; without it, `/etc/<service>/config.yaml` is read if it is there.
const FILE_VARIABLE: &str = "CONFIG_FILE";
/// The largest file that is read.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("read configuration {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file is neither YAML nor JSON.
    #[error("{path} is not valid YAML or JSON: {reason}")]
    Syntax {
        /// The file.
        path: PathBuf,
        /// What is wrong, and where.
        reason: String,
    },
    /// A value is missing or wrong.
    #[error(transparent)]
    Key(#[from] KeyError),
}

/// The configuration of the service `name`.
pub fn load<T: DeserializeOwned>(name: &str) -> Result<T, ConfigError> {
    let environment = env::vars().collect::<HashMap<_, _>>();
    let named = environment.get(FILE_VARIABLE).map(PathBuf::from);
    let usual = || Some(usual_file(name)).filter(|path| path.exists());
    let path = named.or_else(usual);
    let file = path.as_deref().map(read).transpose()?.unwrap_or(Value::Null);
    let path = path.unwrap_or_else(|| usual_file(name));
    Ok(parse(&file, &path, &environment)?)
}

/// The same from given parts; `path` is what errors call the file.
pub fn parse<T: DeserializeOwned>(
    file: &Value,
    path: &Path,
    environment: &HashMap<String, String>,
) -> Result<T, KeyError> {
    deserializer::parse(file, path, environment)
}

fn usual_file(name: &str) -> PathBuf {
    Path::new("/etc").join(name).join("config.yaml")
}

fn read(path: &Path) -> Result<Value, ConfigError> {
    let failed = |source| ConfigError::Read { path: path.to_owned(), source };
    let size = std::fs::metadata(path).map_err(failed)?.len();
    if size > FILE_BYTES_MAX {
        return Err(failed(io::Error::other(format!("it is larger than {FILE_BYTES_MAX} bytes"))));
    }
    let text = std::fs::read_to_string(path).map_err(failed)?;
    // JSON is YAML.
    serde_saphyr::from_str(&text)
        .map_err(|error| ConfigError::Syntax { path: path.to_owned(), reason: error.to_string() })
}

#[cfg(test)]
mod tests;
