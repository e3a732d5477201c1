//! Scripted sessions with kubectl: what is typed and what it says, as the files in `tests/sessions`
//! have it.
//!
//! A line after `$` is given to a shell, as it is after `?`, which is asked until it says what it is to say;
//! lines after `>` belong to the command before them. What follows is all that it says on both of its
//! outputs: `*` is any text within a line, `...` any lines, and `[1]` at the end its exit code if that is not 0.
//! A `#` behind an empty line begins a comment. Each session has a namespace of its own, with its name.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use crate::boat::{Boat, PATIENCE, has, is_root, skip, workspace};
use crate::toolbox;

/// One thing that is typed, and what is to be said.
#[derive(Debug, PartialEq, Eq)]
struct Step {
    /// Asked again until it says so.
    patient: bool,
    command: String,
    said: Vec<String>,
}

/// The steps of a session.
fn parse(text: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let (mut before, mut in_comment) = ("", false);
    for line in text.lines() {
        in_comment = line.starts_with("# ") && (before.is_empty() || in_comment);
        before = line;
        if in_comment {
            continue;
        }
        let typed = line.strip_prefix("$ ").or_else(|| line.strip_prefix("? "));
        if let Some(command) = typed {
            let patient = line.starts_with('?');
            steps.push(Step { patient, command: command.to_owned(), said: Vec::new() });
            continue;
        }
        let Some(step) = steps.last_mut() else { continue };
        match line.strip_prefix("> ").or_else(|| (line == ">").then_some("")) {
            Some(more) if step.said.is_empty() => step.command += &format!("\n{more}"),
            _ => step.said.push(line.trim_end().to_owned()),
        }
    }
    for step in &mut steps {
        while step.said.last().is_some_and(String::is_empty) {
            step.said.pop();
        }
    }
    steps
}

/// Whether these lines are those, of which one may be `...`.
fn lines_are(expected: &[String], said: &[String]) -> bool {
    match expected.split_first() {
        None => said.is_empty(),
        Some((any, rest)) if any == "..." => (0..=said.len()).any(|n| lines_are(rest, &said[n..])),
        Some((line, rest)) => said
            .split_first()
            .is_some_and(|(first, more)| line_is(line, first) && lines_are(rest, more)),
    }
}

/// Whether a line is this, in which `*` is anything.
fn line_is(expected: &str, said: &str) -> bool {
    let Some((begin, rest)) = expected.split_once('*') else { return expected == said };
    let Some(mut said) = said.strip_prefix(begin) else { return false };
    let mut parts: Vec<&str> = rest.split('*').collect();
    let end = parts.pop().unwrap_or_default();
    for part in parts {
        let Some((_, after)) = said.split_once(part) else { return false };
        said = after;
    }
    said.ends_with(end)
}

/// Somebody who types: a folder, and a namespace of the same name.
struct Typist<'a> {
    boat: &'a Boat,
    folder: tempfile::TempDir,
}

impl<'a> Typist<'a> {
    fn new(boat: &'a Boat, name: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let kubeconfig = boat.data_dir().join("kubeconfig");
        fs::copy(kubeconfig, folder.path().join("kubeconfig")).expect("a kubeconfig");
        let typist = Self { boat, folder };
        let begin = format!(
            "kubectl create namespace {name} && kubectl config set-context --current --namespace={name} \
             && kubectl wait --for=create serviceaccount/default configmap/kube-root-ca.crt --timeout=60s"
        );
        let said = typist.types(&begin);
        assert!(said.last().is_some_and(|line| line.ends_with("met")), "{said:?}");
        typist
    }

    /// All that is said, and the exit code if it is not 0.
    fn types(&self, command: &str) -> Vec<String> {
        let output = Command::new("timeout")
            .args([&PATIENCE.as_secs().to_string(), "sh", "-c", &format!("exec 2>&1\n{command}")])
            .current_dir(self.folder.path())
            .env("KUBECONFIG", self.folder.path().join("kubeconfig"))
            .env("HOME", self.folder.path())
            .env("TMPDIR", self.folder.path())
            .env("TZ", "UTC")
            .env("SESSIONS", sessions())
            .stdin(Stdio::null())
            .output()
            .expect("a shell");
        let text = String::from_utf8_lossy(&output.stdout);
        let mut said: Vec<String> = text.lines().map(|line| line.trim_end().to_owned()).collect();
        while said.last().is_some_and(String::is_empty) {
            said.pop();
        }
        if !output.status.success() {
            said.push(format!("[{}]", output.status.code().unwrap_or(-1)));
        }
        said
    }

    /// What is wrong about a step, if anything.
    fn take(&self, step: &Step) -> Option<String> {
        let deadline = Instant::now() + PATIENCE;
        let mut said = self.types(&step.command);
        while step.patient && !lines_are(&step.said, &said) && Instant::now() < deadline {
            std::thread::sleep(std::time::Duration::from_millis(100));
            said = self.types(&step.command);
        }
        let lines = |lines: &[String]| lines.join("\n  | ");
        (!lines_are(&step.said, &said)).then(|| {
            let (command, expected, said) = (&step.command, lines(&step.said), lines(&said));
            format!("$ {command}\nis to say\n  | {expected}\nand says\n  | {said}\n")
        })
    }
}

fn sessions() -> PathBuf {
    workspace().join("sampan/tests/sessions")
}

/// Goes through a session to its end, and then says what was wrong with it.
#[track_caller]
fn check(boat: &Boat, name: &str) {
    let file = sessions().join(format!("{name}.session"));
    let steps = parse(&fs::read_to_string(&file).expect("a session"));
    assert!(!steps.is_empty(), "{} has no steps", file.display());
    let typist = Typist::new(boat, name);
    let wrong: Vec<String> = steps.iter().filter_map(|step| typist.take(step)).collect();
    let log = typist.boat.server_log();
    assert!(wrong.is_empty(), "{}:\n{}\n{log}", file.display(), wrong.join("\n"));
}

#[test]
fn kubectl_makes_and_changes_objects_and_looks_at_them() {
    let name = "kubectl_sessions";
    if !is_root() || !has("kubectl") || !has("openssl") || !Path::new("/bin/sh").exists() {
        return skip(name, "it needs root, kubectl, openssl and a shell");
    }
    let boat = Boat::afloat(name);
    for session in ["create", "edit", "apply", "look", "objects"] {
        check(&boat, session);
    }
}

#[test]
fn kubectl_runs_pods_and_talks_to_them() {
    let Some(boat) = toolbox::afloat("kubectl_pod_sessions") else { return };
    check(&boat, "pods");
    check(&boat, "rollout");
    check(&boat, "replication");
}

#[test]
fn pods_have_what_their_service_accounts_say() {
    let Some(boat) = toolbox::afloat("account_sessions") else { return };
    check(&boat, "accounts");
}

/// Webhooks, conversion and an API server behind this one, as they are run: in a pod behind a Service.
#[test]
fn what_the_api_calls_may_be_in_pods() {
    let name = "kubectl_server_sessions";
    if !has("python3") || !has("openssl") {
        return skip(name, "it needs python3 and openssl");
    }
    let Some(boat) = toolbox::afloat(name) else { return };
    check(&boat, "servers");
}

#[test]
fn a_session_is_read_and_compared() {
    let text = "# About it.\n# More.\n$ cat <<END\n> one\n>\n> END\none\n\n# two\n[1]\n\n\n# Then.\n? true\n";
    let steps = parse(text);
    let command = "cat <<END\none\n\nEND".to_owned();
    let said = vec!["one".to_owned(), String::new()];
    assert_eq!(steps.len(), 2, "{steps:?}");
    // A comment is one behind an empty line, also where a command might have said it.
    assert_eq!(
        steps[0],
        Step { patient: false, command, said: [said, vec!["[1]".to_owned()]].concat() }
    );
    assert_eq!(steps[1], Step { patient: true, command: "true".to_owned(), said: vec![] });
    for (expected, said, same) in [
        ("a*c", "abc", true),
        ("a*c", "ac", true),
        ("a*c", "ab", false),
        ("*b*", "abc", true),
        ("a", "ab", false),
        ("x=*, y=*", "x=1, y=2", true),
        ("a*a", "a", false),
    ] {
        assert_eq!(line_is(expected, said), same, "{expected} {said}");
    }
    let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
    assert!(lines_are(&lines("a\n...\nz"), &lines("a\nb\nz")));
    assert!(lines_are(&lines("...\nz"), &lines("z")));
    assert!(!lines_are(&lines("a\n..."), &lines("b")));
}
