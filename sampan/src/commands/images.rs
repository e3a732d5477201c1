//! `sampan images`

use anyhow::Context;
use image::{Image, ImageStore};

use crate::instance::Instance;
use crate::output;
use crate::text;

pub fn run(instance: &Instance) -> anyhow::Result<()> {
    let store = ImageStore::open(instance.images()).context("open the image store")?;
    let mut rows: Vec<Vec<String>> =
        store.list().context("list images")?.iter().flat_map(rows).collect();
    rows.sort();
    output::text(&text::table(&["IMAGE", "TAG", "IMAGE ID", "CREATED", "SIZE"], &rows));
    Ok(())
}

/// One row for each of the image's names.
fn rows(image: &Image) -> Vec<Vec<String>> {
    let short_id = image.digest.hex()[..12].to_owned();
    let created = image.created().and_then(age).unwrap_or_else(|| "N/A".into());
    let row = |reference: &image::Reference| {
        let familiar = reference.to_string();
        let tag = reference.tag().unwrap_or("<none>");
        let name = familiar.strip_suffix(&format!(":{tag}")).unwrap_or(&familiar).to_owned();
        vec![name, tag.to_owned(), short_id.clone(), created.clone(), text::size(image.size)]
    };
    image.references.iter().map(row).collect()
}

/// Reproducible images carry the epoch as their time of creation, which says nothing.
fn age(created: &str) -> Option<String> {
    let created: jiff::Timestamp = created.parse().ok()?;
    let seconds = jiff::Timestamp::now().as_second() - created.as_second();
    (created.as_second() > 0).then(|| format!("{} ago", text::age(seconds)))
}
