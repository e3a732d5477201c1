use std::fs;
use std::time::SystemTime;

use super::*;
use crate::testing::TestStore;

const MAIN: &str = r#"fn main() { println!("hello from {}", env!("CARGO_PKG_NAME")); }"#;

struct Project {
    test: TestStore,
    dir: PathBuf,
}

impl Project {
    fn new(main: &str) -> Self {
        let test = TestStore::new();
        let dir = test.dir.path().join("src-dir");
        let project = Self { test, dir };
        project.write_all(main);
        project
    }

    fn write_all(&self, main: &str) {
        let manifest = "[package]\nname = \"tiny\"\nversion = \"1.2.3\"\nedition = \"2021\"\n\
            license = \"MIT\"\n[workspace]\n[profile.release]\nopt-level = 0\n";
        self.write("Cargo.toml", manifest);
        self.write("src/main.rs", main);
    }

    /// Writes a file as if it had been there for a while.
    fn write(&self, name: &str, text: &str) {
        let path = self.dir.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        let earlier = SystemTime::now() - Duration::from_secs(60);
        fs::File::options().write(true).open(&path).unwrap().set_modified(earlier).unwrap();
    }

    fn build(&self) -> (Result<BuildReport, BuildError>, Vec<Progress>) {
        let name = Reference::parse("tiny:dev").unwrap();
        let request = BuildRequest { dir: self.dir.clone(), name };
        let mut seen = Vec::new();
        let report = build(&self.test.store, request, |progress| seen.push(progress));
        (report, seen)
    }

    /// The second build of a project has its Cargo.lock from before the build.
    fn settle(&self) -> BuildReport {
        self.build().0.unwrap();
        let lock = fs::read_to_string(self.dir.join("Cargo.lock")).unwrap();
        self.write("Cargo.lock", &lock);
        self.build().0.unwrap()
    }
}

#[test]
fn a_crate_becomes_a_small_static_image_that_runs() {
    let project = Project::new(MAIN);
    let (report, seen) = project.build();
    let report = report.unwrap();
    assert!(!report.cached);
    assert!(seen.contains(&Progress::Compiling(Source::Cargo)));
    assert!(seen.iter().any(|p| matches!(p, Progress::Line(l) if l.contains("Compiling tiny"))));
    assert!(report.size_after_strip < report.size_before_strip);
    assert!(report.image_size < 5 << 20, "{} bytes", report.image_size);

    let config = report.image.config.config().clone().unwrap();
    assert_eq!(config.user().as_deref(), Some("65532"));
    assert_eq!(config.entrypoint().clone().unwrap(), ["/tiny"]);
    let labels = config.labels().clone().unwrap();
    assert_eq!(labels["org.opencontainers.image.title"], "tiny");
    assert_eq!(labels["org.opencontainers.image.version"], "1.2.3");

    let layers = project.test.store.rootfs(&report.image).unwrap();
    assert_eq!(fs::read_dir(&layers[0]).unwrap().count(), 1, "the binary has a layer of its own");
    let base = layers.last().unwrap();
    assert!(fs::read_to_string(base.join("etc/passwd")).unwrap().contains("nonroot:x:65532"));
    // From an otherwise empty root: nothing of the host's may be needed.
    let output = std::process::Command::new("chroot").arg(&layers[0]).arg("/tiny").output();
    assert_eq!(String::from_utf8_lossy(&output.unwrap().stdout), "hello from tiny\n");
}

#[test]
fn an_unchanged_crate_is_not_built_again_and_a_changed_one_is() {
    let project = Project::new(MAIN);
    let built = project.settle();
    let (cached, seen) = project.build();
    let cached = cached.unwrap();
    assert!(cached.cached && seen.is_empty(), "{seen:?}");
    assert_eq!(cached.image.digest, built.image.digest);
    assert_eq!(cached.size_before_strip, built.size_before_strip);

    // With the present time: cargo itself goes by times alone.
    fs::write(project.dir.join("src/main.rs"), MAIN.replace("hello", "good day")).unwrap();
    let changed = project.build().0.unwrap();
    assert!(!changed.cached);
    assert_ne!(changed.image.digest, built.image.digest);
}

#[test]
fn a_cached_build_brings_a_removed_name_back() {
    let project = Project::new(MAIN);
    let built = project.settle();
    let name = Reference::parse("tiny:dev").unwrap();
    project.test.store.remove(&name).unwrap();
    assert!(project.build().0.unwrap().cached);
    assert_eq!(project.test.store.find(&name).unwrap().unwrap().digest, built.image.digest);
}

#[test]
fn the_same_source_elsewhere_gives_the_same_digest() {
    let (one, two) = (Project::new(MAIN), Project::new(MAIN));
    let digest = |project: &Project| project.build().0.unwrap().image.digest;
    assert_eq!(digest(&one), digest(&two));
}

#[test]
fn an_error_of_the_compiler_is_shown_as_it_was_written() {
    let project = Project::new("fn main() { let x: u8 = \"text\"; }");
    let (report, seen) = project.build();
    let error = report.unwrap_err().to_string();
    assert!(error.contains("error[E0308]: mismatched types"), "{error}");
    assert!(error.contains("src/main.rs:1"), "{error}");
    assert!(error.contains("`cargo` failed in"), "{error}");
    assert!(seen.iter().any(|p| matches!(p, Progress::Line(l) if l.contains("E0308"))));
}

#[test]
fn a_folder_without_source_says_what_is_missing() {
    let test = TestStore::new();
    assert_eq!(plan(test.dir.path()), None);
    let dir = test.dir.path().to_owned();
    let request = BuildRequest { dir, name: Reference::parse("x").unwrap() };
    let error = build(&test.store, request, |_| {}).unwrap_err().to_string();
    assert!(error.contains("has neither a Cargo.toml nor a go.mod"), "{error}");
}
