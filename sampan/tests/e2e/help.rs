//! Wrong input is met with help: one clear message that says what, where and what next.

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;

use crate::boat::{Boat, SAMPAN, fixture, is_root, skip, texts};

fn app(files: &[(&str, &str)]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a folder");
    for (name, text) in files {
        let path = dir.path().join(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("make it");
        fs::write(path, text).expect("write it");
    }
    dir
}

fn deployment(image: &str, extra: &str) -> String {
    format!(
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: web}}\nspec:\n  \
         selector: {{matchLabels: {{app: web}}}}\n  template:\n    metadata: {{labels: {{app: web}}}}\n    \
         spec:\n      containers:\n      - name: web\n        image: {image}\n{extra}"
    )
}

/// `message` holds every part.
#[track_caller]
fn check(message: &str, parts: &[&str]) {
    for part in parts {
        assert!(message.contains(part), "no {part:?} in:\n{message}");
    }
}

fn rootless(test: &str) -> bool {
    if !is_root() {
        skip(test, "it needs root");
    }
    !is_root()
}

#[test]
fn broken_yaml_is_told_with_file_and_line() {
    let boat = Boat::new("broken");
    let dir = app(&[("manifests/web.yaml", "apiVersion: v1\nkind: [Pod\nmetadata: {}\n")]);
    check(&boat.up_fails(dir.path()), &["manifests/web.yaml:", "broken YAML"]);
}

#[test]
fn a_folder_without_manifests_is_told() {
    let boat = Boat::new("empty");
    let dir = app(&[]);
    check(&boat.up_fails(dir.path()), &["no Kubernetes manifests", "*.yaml"]);
    check(&boat.up_fails(Path::new("/does/not/exist")), &["/does/not/exist is no folder"]);
}

#[test]
fn an_unknown_field_is_told_and_nothing_is_applied() {
    if rootless("an_unknown_field") {
        return;
    }
    let boat = Boat::afloat("field");
    boat.load_echo();
    let good = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: good}\n";
    let bad = deployment("echo:1", "        imagePullPolice: Always\n");
    let dir = app(&[("manifests/a.yaml", good), ("manifests/web.yaml", &bad)]);
    let message = boat.up_fails(dir.path());
    check(
        &message,
        &[
            "nothing was applied",
            "Deployment web (manifests/web.yaml:1)",
            ".imagePullPolice: field not declared in schema",
        ],
    );
}

#[test]
fn a_missing_image_is_told() {
    if rootless("a_missing_image") {
        return;
    }
    let boat = Boat::afloat("image");
    let dir = app(&[("manifests/web.yaml", &deployment("nowhere/web:9", ""))]);
    let message = boat.up_fails(dir.path());
    check(&message, &["web: image nowhere/web:9 is not on this machine", "sampan load FILE"]);
}

#[test]
fn a_service_that_crashes_at_start_is_told_with_its_last_words() {
    if rootless("a_service_that_crashes") {
        return;
    }
    let boat = Boat::afloat("crash");
    boat.load_echo();
    let env = "        env: [{name: CRASH, value: \"1\"}]\n";
    let dir = app(&[("manifests/web.yaml", &deployment("echo:1", env))]);
    let message = boat.up_fails(dir.path());
    check(
        &message,
        &[
            "1 of 1 services failed",
            "web: start failed: container web exited with code 3",
            "| cannot reach the database at db:5432",
            "try: 'kubectl describe pod web-",
        ],
    );
}

#[test]
fn source_that_does_not_compile_is_told_with_the_compilers_words() {
    if rootless("source_that_does_not_compile") {
        return;
    }
    let boat = Boat::afloat("compile");
    let dir = app(&[
        ("manifests/web.yaml", &deployment("web", "")),
        (
            "web/Cargo.toml",
            "[package]\nname = \"web\"\nversion = \"0.1.0\"\nedition = \"2024\"\n[workspace]\n",
        ),
        ("web/src/main.rs", "fn main() { nonsense() }\n"),
    ]);
    check(&boat.up_fails(dir.path()), &["web: build failed", "cannot find function `nonsense`"]);
}

#[test]
fn a_port_in_use_is_told_with_the_flag_that_helps() {
    if rootless("a_port_in_use") {
        return;
    }
    let boat = Boat::new("port");
    let holder = TcpListener::bind(("127.0.0.1", boat.gateway_port)).expect("the port");
    let flags = boat.server_flags();
    let mut args = vec!["server"];
    args.extend(flags.iter().map(String::as_str));
    let message = boat.sampan_fails(&args);
    check(&message, &["the gateway cannot listen at 127.0.0.1:", "--gateway-listen"]);
    // In the background it is told all the same.
    let dir = app(&[("manifests/web.yaml", &deployment("echo:1", ""))]);
    check(&boat.up_fails(dir.path()), &["the server did not start", "--gateway-listen"]);
    drop(holder);
}

#[test]
fn a_data_directory_in_use_is_told() {
    if rootless("a_data_directory_in_use") {
        return;
    }
    let boat = Boat::afloat("twice");
    let message =
        boat.sampan_fails(&["server", "--listen=127.0.0.1:0", "--gateway-listen=127.0.0.1:0"]);
    check(
        &message,
        &["is in use by another server", &format!("(pid {})", boat.server_pid()), "--data-dir"],
    );
}

#[test]
fn no_root_is_told() {
    if rootless("no_root") {
        return;
    }
    let dir = tempfile::tempdir().expect("a folder");
    // The binary lies below a folder that only root may enter: it is copied out.
    let copy = dir.path().join("sampan");
    fs::copy(SAMPAN, &copy).expect("a copy");
    let open = |path: &Path| {
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("permissions");
    };
    open(dir.path());
    open(&copy);
    let output = std::os::unix::process::CommandExt::uid(&mut Command::new(&copy), 65534)
        .args(["server", "--data-dir", "/tmp/sampan-nobody"])
        .output()
        .expect("run it");
    assert!(!output.status.success());
    check(&texts(&output).1, &["sampan server needs root", "sudo"]);
}

#[test]
fn a_full_disk_is_told_and_over_when_there_is_room() {
    if rootless("a_full_disk") {
        return;
    }
    if !crate::boat::has("kubectl") {
        return skip("a_full_disk", "it needs kubectl");
    }
    let mut boat = Boat::new("full");
    let disk = SmallDisk::mount(boat.data_dir());
    boat.start();
    let filler = boat.data_dir().join("filler");
    disk.fill(&filler);
    let value = "x".repeat(900_000);
    let file = tempfile::NamedTempFile::new().expect("a file");
    fs::write(file.path(), value).expect("its text");
    let from = format!("--from-file=v={}", file.path().display());
    let refused = boat.kubectl(&["create", "configmap", "big", &from]);
    assert!(!refused.status.success());
    check(&texts(&refused).1, &["disk is full", "free some space"]);
    // Reads go on, and writes come back with room.
    boat.kubectl_ok(&["get", "namespaces"]);
    fs::remove_file(&filler).expect("make room");
    crate::boat::eventually("writes work again", || {
        boat.kubectl(&["create", "configmap", "after", "--from-literal=a=1"])
            .status
            .success()
            .then_some(())
    });
    boat.sampan_ok(&["stop"]);
    drop(boat);
    drop(disk);
}

/// A tmpfs of a few megabytes over a folder.
pub struct SmallDisk {
    at: std::path::PathBuf,
}

impl SmallDisk {
    pub fn mount(at: &Path) -> Self {
        use nix::mount::{MsFlags, mount};
        mount(Some("tmpfs"), at, Some("tmpfs"), MsFlags::empty(), Some("size=48m"))
            .expect("mount a tmpfs");
        Self { at: at.to_owned() }
    }

    /// Leaves room for nothing.
    pub fn fill(&self, file: &Path) {
        use std::io::Write;
        let mut file = fs::File::create(file).expect("a file");
        for size in [1 << 20, 4096, 1] {
            let block = vec![0; size];
            while file.write_all(&block).is_ok() {}
        }
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        nix::mount::umount2(&self.at, nix::mount::MntFlags::MNT_DETACH).ok();
    }
}

#[test]
fn an_archive_that_is_none_is_told() {
    let boat = Boat::new("archive");
    let source = fixture("echo").join("Cargo.toml");
    let message = boat.sampan_fails(&["load", source.to_str().expect("a path")]);
    check(&message, &["Cargo.toml", "not an image archive"]);
    check(&boat.sampan_fails(&["load", "/no/such.tar"]), &["/no/such.tar"]);
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let boat = Boat::new("pipe");
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let output = Command::new(SAMPAN)
        .args(["images", "--data-dir"])
        .arg(boat.data_dir())
        .stdout(writer)
        .output()
        .expect("run it");
    assert!(output.status.success());
    assert_eq!(texts(&output).1, "");
}
