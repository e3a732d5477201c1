//! What is in a file: a conversation and its steps.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail, ensure};
use serde::Deserialize;
use serde_json::Value;

/// The verbs of HTTP that a request may begin with.
const METHODS: [&str; 6] = ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];

/// One file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Conversation {
    /// The behaviour that it shows, in one sentence.
    pub about: String,
    /// Where Kubernetes says so: a document or a source file.
    pub source: String,
    /// What is asked and expected, in order.
    pub steps: Vec<Step>,
    /// The file's name without its ending.
    #[serde(skip)]
    pub name: String,
}

/// One request and its reply, or a look at a watch that was opened before.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Step {
    /// A remark for the reader, printed when the step fails.
    pub say: String,
    /// `METHOD /path?query`.
    pub request: Option<String>,
    /// The user who is impersonated.
    #[serde(rename = "as")]
    pub user: Option<String>,
    /// The groups who are impersonated, beside the user.
    pub groups: Vec<String>,
    /// The token to ask with, in place of the runner's own credentials; empty for none at all.
    pub bearer: Option<String>,
    /// More headers of the request.
    pub headers: BTreeMap<String, String>,
    /// The body's media type; without it that of JSON, or of a merge patch.
    #[serde(rename = "type")]
    pub media: Option<String>,
    /// The body, sent as JSON.
    pub body: Option<Value>,
    /// A merge patch of the body before it is sent: a read object is changed and written back.
    pub with: Option<Value>,
    /// The body, sent as it is.
    pub text: Option<String>,
    /// The body as bytes in base64.
    pub base64: Option<String>,
    /// So many spaces follow the body.
    pub pad: usize,
    /// What the reply must be.
    pub expect: Expect,
    /// Values of the reply to keep: name, and JSON pointer into the body.
    pub keep: BTreeMap<String, String>,
    /// Asks again until the reply is as expected, for so many seconds.
    pub within: u64,
    /// Opens a watch by this request, under this name.
    pub watch: Option<String>,
    /// Looks at the watch of this name.
    pub next: Option<String>,
    /// The next events of the watch, none left out.
    pub events: Vec<Value>,
    /// Skips events of the watch until one is like this.
    pub until: Option<Value>,
    /// The watch ends here, by itself.
    pub end: bool,
    /// Repeats the step with `${it}` set to each of these.
    #[serde(rename = "for")]
    pub each: Vec<Value>,
}

/// What a reply must be.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Expect {
    /// The code, or `${name}` of one; without it any of success.
    pub status: Option<Value>,
    /// Headers by name; those given more than once are joined by ", ".
    pub headers: BTreeMap<String, Value>,
    /// The body as JSON.
    pub body: Option<Value>,
    /// The body as text.
    pub text: Option<Value>,
}

impl Conversation {
    /// Reads one file.
    pub fn read(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path).with_context(|| format!("read {}", path.display()))?;
        let mut read: Self =
            serde_saphyr::from_str(&text).with_context(|| format!("parse {}", path.display()))?;
        read.name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        for (number, step) in read.steps.iter().enumerate() {
            step.check().with_context(|| format!("{}, step {}", path.display(), number + 1))?;
        }
        Ok(read)
    }

    /// Those that belong to this crate, by name.
    pub fn all() -> Result<Vec<Self>> {
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("files");
        let mut paths: Vec<PathBuf> =
            fs::read_dir(&folder)?.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
        paths.retain(|path| path.extension().is_some_and(|ending| ending == "yaml"));
        paths.sort();
        paths.iter().map(|path| Self::read(path)).collect()
    }
}

impl Step {
    /// Is it one request or one look at a watch, with one body at most?
    fn check(&self) -> Result<()> {
        match (&self.request, &self.next) {
            (Some(request), None) => {
                let method = request.split(' ').next().unwrap_or_default();
                let later = method.starts_with("${");
                ensure!(later || METHODS.contains(&method), "no method {method:?}");
                ensure!(
                    self.events.is_empty() && self.until.is_none() && !self.end,
                    "events, until and end belong to next"
                );
            }
            (None, Some(_)) => {}
            _ => bail!("a step has either a request or next"),
        }
        let bodies = [self.body.is_some(), self.text.is_some(), self.base64.is_some()];
        ensure!(bodies.iter().filter(|some| **some).count() <= 1, "more than one body");
        ensure!(self.with.is_none() || self.body.is_some(), "with changes a body");
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_can_be_read() {
        let all = Conversation::all().unwrap();
        assert!(all.len() > 20, "only {} conversations", all.len());
        assert!(all.iter().all(|one| !one.steps.is_empty()));
    }

    #[test]
    fn a_step_that_makes_no_sense_is_refused() {
        for step in [
            "{say: nothing}",
            "{request: GET /a, next: w}",
            "{request: FETCH /a}",
            "{request: POST /a, body: {}, text: x}",
            "{request: POST /a, with: {}}",
            "{request: GET /a, events: [{}]}",
        ] {
            let step: Step = serde_saphyr::from_str(step).unwrap();
            assert!(step.check().is_err(), "{step:?}");
        }
        assert!(serde_saphyr::from_str::<Step>("{reqest: GET /a}").is_err());
    }
}
