//! What an instance has on the machine beside its data: the places where it could leak.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::boat::{Boat, eventually};

/// Everything of the pods of one instance, or of the whole of it.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Traces {
    shims: Vec<i32>,
    links: Vec<String>,
    cgroups: Vec<PathBuf>,
    /// Addresses of pods in the nft rules.
    rules: BTreeSet<String>,
    run_files: Vec<PathBuf>,
    pod_files: Vec<PathBuf>,
    mounts: Vec<String>,
}

impl Traces {
    /// What there is of pods now. What the instance itself has is not told.
    pub fn of_pods(boat: &Boat) -> Self {
        let id = boat.id();
        let run = Path::new("/run/sampan").join(&id);
        let node = format!("sp{id}");
        Self {
            shims: shims(boat),
            links: names("/sys/class/net".as_ref())
                .into_iter()
                .filter(|name| name.starts_with(&node) && *name != node)
                .collect(),
            cgroups: cgroup_roots(&id).iter().flat_map(|root| directories(root)).collect(),
            rules: rules(boat),
            run_files: [
                below(&run.join("pods")),
                below(&run.join("volumes")),
                below(&Path::new("/dev/shm").join(format!("sampan-{id}"))),
            ]
            .concat(),
            pod_files: [
                below(&boat.data_dir().join("pods")),
                below(&boat.data_dir().join("logs/pods")),
            ]
            .concat(),
            mounts: mounts(boat),
        }
    }

    /// Waits until nothing is left of any pod.
    pub fn gone(boat: &Boat) {
        let mut last = Self::default();
        let mut looks = 0;
        eventually(&format!("no trace of pods: {}", boat.data_dir().display()), || {
            last = Self::of_pods(boat);
            looks += 1;
            if looks % 500 == 0 {
                eprintln!("still there: {last:#?}");
            }
            (last == Self::default()).then_some(())
        });
    }

    /// Asserts that nothing but its data is left of the instance, which was stopped.
    pub fn none(boat: &Boat) {
        let id = boat.id();
        assert_eq!(Self { pod_files: Vec::new(), ..Self::of_pods(boat) }, Self::default());
        assert_eq!(cgroup_roots(&id), Vec::<PathBuf>::new());
        assert!(!Path::new("/run/sampan").join(&id).exists(), "the run directory");
        assert!(!Path::new("/sys/class/net").join(format!("sp{id}")).exists(), "the node's link");
        assert!(!ruleset().contains(&format!("sampan-{id}")), "the nft table");
    }
}

/// The pids of this boat's shims.
pub fn shims(boat: &Boat) -> Vec<i32> {
    let pods = format!("/run/sampan/{}/pods/", boat.id());
    let is_shim = |pid: &i32| {
        let command = fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let mut words = command.split('\0');
        words.nth(1) == Some("shim") && words.next().is_some_and(|word| word.starts_with(&pods))
    };
    let pids = names("/proc".as_ref()).into_iter().filter_map(|name| name.parse().ok());
    pids.filter(is_shim).collect()
}

/// The shim of the pod with that uid.
pub fn shim_of(boat: &Boat, uid: &str) -> i32 {
    let path = format!("/run/sampan/{}/pods/{uid}/shim.json", boat.id());
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("read {path}: {error}"));
    let shim: serde_json::Value = serde_json::from_str(&text).expect("its JSON");
    i32::try_from(shim["pid"].as_i64().expect("a pid")).expect("a pid")
}

/// The processes in the containers of the pod with that uid.
pub fn processes_of(boat: &Boat, uid: &str) -> BTreeSet<i32> {
    let pods = cgroup_roots(&boat.id()).into_iter().map(|root| root.join(uid));
    let groups = pods.flat_map(|pod| directories(&pod).into_iter().chain([pod]));
    let lists = groups.filter_map(|group| fs::read_to_string(group.join("cgroup.procs")).ok());
    lists.flat_map(|list| list.lines().filter_map(|l| l.parse().ok()).collect::<Vec<_>>()).collect()
}

fn names(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}

fn below(dir: &Path) -> Vec<PathBuf> {
    names(dir).into_iter().map(|name| dir.join(name)).collect()
}

fn directories(dir: &Path) -> Vec<PathBuf> {
    below(dir).into_iter().filter(|path| path.is_dir()).collect()
}

/// The instance's group in every hierarchy that has it.
fn cgroup_roots(id: &str) -> Vec<PathBuf> {
    let top = Path::new("/sys/fs/cgroup");
    let hierarchies = directories(top).into_iter().chain([top.to_owned()]);
    let root = format!("sampan-{id}");
    hierarchies.map(|path| path.join(&root)).filter(|path| path.is_dir()).collect()
}

fn ruleset() -> String {
    let output = Command::new("nft").args(["list", "ruleset"]).output().expect("run nft");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn rules(boat: &Boat) -> BTreeSet<String> {
    let prefix = boat.pod_prefix();
    let node = format!("{prefix}1");
    let text = ruleset();
    let words = text.split(|c: char| !c.is_ascii_digit() && c != '.' && c != '/');
    let pods = words.filter(|word| word.starts_with(&prefix) && *word != node);
    pods.filter(|word| !word.contains('/')).map(str::to_owned).collect()
}

fn mounts(boat: &Boat) -> Vec<String> {
    let text = fs::read_to_string("/proc/self/mounts").expect("mounts");
    let data = boat.data_dir().to_str().expect("a path in UTF-8");
    let run = format!("/run/sampan/{}", boat.id());
    let ours = text.lines().filter(|line| line.contains(data) || line.contains(&run));
    ours.map(str::to_owned).collect()
}
