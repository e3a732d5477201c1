//! Go: one static binary from a module.

use std::path::{Path, PathBuf};

use super::inputs::Inputs;
use super::{Binary, BuildError, command, tool};

const HINT: &str = "https://go.dev/dl";
const SEVERAL: &str = "name the image like the folder of one of them";
/// Downloaded modules never change.
const MODULE_CACHE: &str = "/pkg/mod/";

/// The toolchain's version: a new one makes a new binary.
pub(super) fn version(dir: &Path) -> Result<String, BuildError> {
    let go = tool::find("go", dir, HINT)?;
    tool::ask("go", tool::command(&go, dir).arg("version"), dir)
}

pub(super) fn build(
    dir: &Path,
    wanted: &str,
    out: &Path,
    on_line: &mut dyn FnMut(String),
) -> Result<Binary, BuildError> {
    let go = tool::find("go", dir, HINT)?;
    let package = choose(&mains(&go, dir)?, dir, wanted)?;
    let path = out.join("binary");
    let mut command = tool::command(&go, dir);
    command
        .env("CGO_ENABLED", "0")
        // Without the state of version control: the same source must give the same binary.
        .args(["build", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w", "-o"])
        .arg(&path)
        .arg(&package);
    let finished = command::run(&mut command, |_| {}, on_line)
        .map_err(|source| super::step("run go in", dir, source))?;
    if !finished.status.success() {
        let (dir, status) = (dir.to_owned(), finished.status);
        return Err(BuildError::Failed { tool: "go", dir, status, output: finished.tail });
    }
    let inputs = inputs(&go, dir, &package)?;
    Ok(Binary { name: wanted.to_owned(), path, labels: Vec::new(), inputs: Some(inputs) })
}

/// The folders of the module's `main` packages.
fn mains(go: &Path, dir: &Path) -> Result<Vec<PathBuf>, BuildError> {
    let format = r#"{{if eq .Name "main"}}{{.Dir}}{{end}}"#;
    let text = tool::ask("go", tool::command(go, dir).args(["list", "-f", format, "./..."]), dir)?;
    Ok(text.lines().filter(|line| !line.is_empty()).map(PathBuf::from).collect())
}

/// The only one, the module's root, or the one in a folder named like the image.
fn choose(mains: &[PathBuf], dir: &Path, wanted: &str) -> Result<PathBuf, BuildError> {
    let named = |main: &&PathBuf| main.file_name().is_some_and(|name| name == wanted);
    match mains {
        [] => Err(BuildError::NoBinary { dir: dir.to_owned() }),
        [only] => Ok(only.clone()),
        several => {
            let root = several.iter().find(|main| *main == dir);
            let chosen = several.iter().find(named).or(root);
            chosen.cloned().ok_or_else(|| BuildError::SeveralBinaries {
                dir: dir.to_owned(),
                names: several.iter().filter_map(|main| shown(main, dir)).collect(),
                hint: SEVERAL,
            })
        }
    }
}

fn shown(main: &Path, dir: &Path) -> Option<String> {
    Some(main.strip_prefix(dir).ok()?.display().to_string())
}

/// The module, the workspace file above it, and every local package elsewhere that it uses.
fn inputs(go: &Path, dir: &Path, package: &Path) -> Result<Inputs, BuildError> {
    let format = "{{if not .Standard}}{{.Dir}}{{end}}";
    let mut command = tool::command(go, dir);
    let text = tool::ask("go", command.args(["list", "-deps", "-f", format]).arg(package), dir)?;
    let mut inputs = Inputs::default();
    inputs.tree(dir);
    for used in text.lines().filter(|line| !line.is_empty() && !line.contains(MODULE_CACHE)) {
        if !Path::new(used).starts_with(dir) {
            inputs.tree(Path::new(used));
        }
    }
    for above in dir.ancestors() {
        inputs.file(&above.join("go.work"));
    }
    Ok(inputs)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(mains: &[&str], wanted: &str, expected: Result<&str, &str>) {
        let mains: Vec<_> = mains.iter().map(PathBuf::from).collect();
        match (choose(&mains, Path::new("/m"), wanted), expected) {
            (Ok(chosen), Ok(expected)) => assert_eq!(chosen, Path::new(expected)),
            (Err(error), Err(expected)) => {
                assert!(error.to_string().contains(expected), "{error}");
            }
            (chosen, expected) => panic!("{chosen:?} instead of {expected:?}"),
        }
    }

    #[test]
    fn the_main_package_is_the_only_one_the_named_one_or_the_root() {
        check(&["/m/cmd/x"], "orders", Ok("/m/cmd/x"));
        check(&["/m", "/m/cmd/orders"], "orders", Ok("/m/cmd/orders"));
        check(&["/m", "/m/cmd/x"], "orders", Ok("/m"));
        check(&["/m/cmd/x", "/m/cmd/y"], "orders", Err("(cmd/x, cmd/y)"));
        check(&[], "orders", Err("builds no binary"));
    }
}
