//! `sampan load FILE`

use anyhow::Context;
use image::ImageStore;

use crate::cli::LoadArgs;
use crate::instance::Instance;
use crate::output::say;

pub async fn run(instance: &Instance, args: LoadArgs) -> anyhow::Result<()> {
    let store = ImageStore::open(instance.images()).context("open the image store")?;
    let shown = args.file.display().to_string();
    let loading = tokio::task::spawn_blocking(move || store.import(&args.file));
    let names =
        loading.await.context("run the import")?.with_context(|| format!("load {shown}"))?;
    for name in names {
        say!("Loaded image: {name}");
    }
    Ok(())
}
