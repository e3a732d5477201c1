//! Building the images an app has the source of.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use image::build::{self, BuildReport, BuildRequest, Progress as Step};
use image::{ImageStore, Reference};

use super::sources::NamedImage;
use crate::progress::Line;
use crate::text;

/// How much of the digest becomes the tag.
const TAG_DIGITS: usize = 12;

/// Builds every image that has source and makes sure that the others are there. Returns, for
/// each that was built, the name that pins it: the rollout changes exactly when the image does.
pub async fn build_all(
    store: &ImageStore,
    images: &[NamedImage],
    lines: &BTreeMap<String, Line>,
    dir: &Path,
) -> anyhow::Result<BTreeMap<String, String>> {
    let mut built = BTreeMap::new();
    for named in images {
        match &named.source {
            Some(source) => {
                let users = named.used_by.iter().filter_map(|name| lines.get(name)).cloned();
                let pinned = build_one(store, named, source, users.collect()).await?;
                built.insert(named.name.clone(), pinned);
            }
            None => require(store, named, dir)?,
        }
    }
    Ok(built)
}

async fn build_one(
    store: &ImageStore,
    named: &NamedImage,
    source: &Path,
    lines: Vec<Line>,
) -> anyhow::Result<String> {
    lines.iter().for_each(|line| line.stage("building"));
    let report = match compile(store.clone(), &named.name, source.to_owned(), lines.clone()).await {
        Ok(report) => report,
        Err(error) => {
            lines.iter().for_each(|line| line.failed("build failed"));
            return Err(error)
                .with_context(|| format!("{}: build failed", named.used_by.join(", ")));
        }
    };
    lines.iter().for_each(|line| line.note(&summary(&report)));
    let pinned = pinned(&named.name, &report)?;
    store.tag(&pinned, report.image.digest).with_context(|| format!("name the image {pinned}"))?;
    Ok(pinned.to_string())
}

/// Runs the build where blocking is allowed; what the build tool says goes to the lines.
pub async fn compile(
    store: ImageStore,
    name: &str,
    dir: PathBuf,
    lines: Vec<Line>,
) -> anyhow::Result<BuildReport> {
    let name = Reference::parse(name)?;
    let building = tokio::task::spawn_blocking(move || {
        build::build(&store, BuildRequest { dir, name }, |step| match step {
            Step::Compiling(_) => lines.iter().for_each(|line| line.detail("compiling")),
            Step::Line(text) => lines.iter().for_each(|line| line.detail(&text)),
            Step::Packing => lines.iter().for_each(|line| line.detail("packing the image")),
        })
    });
    Ok(building.await.context("run the build")??)
}

/// `built in 42.1s: 3.9 MB image, binary 12.0 MB, 3.1 MB stripped`
pub fn summary(report: &BuildReport) -> String {
    let image = text::size(report.image_size);
    if report.cached {
        return format!("unchanged: {image} image");
    }
    format!(
        "built in {}: {image} image, binary {}, {} stripped",
        text::seconds(report.took),
        text::size(report.size_before_strip),
        text::size(report.size_after_strip)
    )
}

fn pinned(name: &str, report: &BuildReport) -> anyhow::Result<Reference> {
    let reference = Reference::parse(name)?;
    let familiar = reference.to_string();
    let repository = match (reference.tag(), reference.digest()) {
        (_, Some(_)) => bail!("{name}: an image that is built here cannot be named by digest"),
        (Some(tag), None) => familiar.strip_suffix(&format!(":{tag}")).unwrap_or(&familiar),
        (None, None) => &familiar,
    };
    let digits = report.image.digest.hex();
    Ok(Reference::parse(&format!("{repository}:{}", &digits[..TAG_DIGITS]))?)
}

/// An image without source must have been imported or built before.
fn require(store: &ImageStore, named: &NamedImage, dir: &Path) -> anyhow::Result<()> {
    let reference = Reference::parse(&named.name)?;
    if store.find(&reference)?.is_some() {
        return Ok(());
    }
    let short = reference.path().rsplit('/').next().unwrap_or_default().to_owned();
    bail!(
        "{}: image {} is not on this machine, and {} has no folder {short} with its source\n\
         import it with 'sampan load FILE', or put its source into {}",
        named.used_by.join(", "),
        named.name,
        dir.display(),
        dir.join(&short).display()
    )
}
