//! `sampan build DIR`

use anyhow::{Context, bail};
use image::{ImageStore, build};

use crate::app::builds;
use crate::cli::BuildArgs;
use crate::instance::Instance;
use crate::output::say;
use crate::progress::Progress;

pub async fn run(instance: &Instance, args: BuildArgs) -> anyhow::Result<()> {
    let dir = args.dir.canonicalize().with_context(|| format!("open {}", args.dir.display()))?;
    if build::plan(&dir).is_none() {
        bail!(
            "{} has no source that can be built: neither Cargo.toml nor go.mod\n\
             (Dockerfiles are not supported yet)",
            dir.display()
        );
    }
    let name = match (args.tag, dir.file_name().and_then(|name| name.to_str())) {
        (Some(tag), _) => tag,
        (None, Some(folder)) => folder.to_lowercase(),
        (None, None) => bail!("give the image a name with --tag NAME"),
    };
    let store = ImageStore::open(instance.images()).context("open the image store")?;
    let line = Progress::for_names([name.as_str()]).line(&name);
    line.stage("building");
    let report = match builds::compile(store, &name, dir, vec![line.clone()]).await {
        Ok(report) => report,
        Err(error) => {
            line.failed("build failed");
            return Err(error);
        }
    };
    line.done(&builds::summary(&report));
    say!("{name} {}", report.image.digest);
    Ok(())
}
