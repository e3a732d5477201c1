//! kubectl: that each of its commands is tried, and that it can show every kind.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use crate::boat::{Boat, eventually, has, is_root, skip, workspace};

/// Commands of kubectl's help that ask no server.
const LOCAL: [&str; 6] = ["completion", "config", "help", "kuberc", "options", "plugin"];

fn afloat(name: &str) -> Option<Boat> {
    if !is_root() || !has("kubectl") {
        skip(name, "it needs root and kubectl");
        return None;
    }
    let boat = Boat::afloat(name);
    // A controller makes it; the commands do not wait for it.
    eventually("the default service account", || {
        boat.kubectl(&["get", "serviceaccount", "default"]).status.success().then_some(())
    });
    Some(boat)
}

/// The commands below one, or all of them.
fn commands(args: &[&str]) -> Vec<String> {
    let help = Command::new("kubectl").args(args).arg("--help").output().expect("run kubectl");
    let help = String::from_utf8_lossy(&help.stdout).into_owned();
    // Lists of commands are indented by two; their heads are not.
    let names = help.lines().skip_while(|line| !line.contains("Commands")).filter_map(|line| {
        let name = line.strip_prefix("  ")?.split_once("  ")?.0;
        if name.is_empty() {
            return None;
        }
        name.chars().all(|c| c.is_ascii_lowercase() || c == '-').then(|| name.to_owned())
    });
    if help.contains("Commands:") || args.is_empty() { names.collect() } else { Vec::new() }
}

#[test]
fn every_command_of_kubectls_help_is_in_a_session() {
    if !has("kubectl") {
        return skip("kubectl's help", "it needs kubectl");
    }
    let sessions = fs::read_dir(workspace().join("sampan/tests/sessions")).expect("the sessions");
    let texts = sessions.map(|file| fs::read_to_string(file.expect("a file").path()));
    let typed = texts.map(|text| text.expect("a session")).collect::<String>();
    let mut missing = BTreeSet::new();
    let all = commands(&[]);
    assert!(all.len() > 40, "kubectl's help was not understood: {all:?}");
    for command in all.iter().filter(|command| !LOCAL.contains(&command.as_str())) {
        let below = commands(&[command]);
        let whole = below.iter().map(|sub| format!("kubectl {command} {sub} "));
        let whole: Vec<_> = whole.chain([format!("kubectl {command} ")]).collect();
        let said = |wanted: &String| {
            typed.contains(wanted) || typed.contains(&format!("{}\n", wanted.trim_end()))
        };
        missing.extend(whole.into_iter().filter(|wanted| !said(wanted)));
    }
    assert!(missing.is_empty(), "no session has {missing:?}");
}

/// All that can be listed can be shown in both ways.
#[test]
fn every_kind_is_got_and_described() {
    let Some(boat) = afloat("kubectl_kinds") else { return };
    let kinds = boat.kubectl_ok(&["api-resources", "--verbs=list", "-o", "name"]);
    assert!(kinds.lines().count() > 50, "{kinds}");
    // Metrics are no objects: they come and go by themselves.
    let all: Vec<&str> = kinds.lines().filter(|kind| !kind.ends_with(".metrics.k8s.io")).collect();
    boat.kubectl_ok(&["get", &all.join(","), "-A", "-o", "wide"]);
    // Debian's kubectl knows ServiceCIDRs in a beta version only, which is not served.
    for kind in all.iter().filter(|kind| !kind.starts_with("servicecidrs.")) {
        boat.kubectl_ok(&["describe", kind, "-A"]);
    }
}
