//! The group `batch`: work that ends.

use super::super::Subresource::Status;
use super::{Entry, PLAIN};
use crate::strategy;
use crate::table::batch;

const GROUP: Entry = Entry { group: "batch", ..PLAIN };

pub(super) static BATCH: &[Entry] = &[
    Entry {
        kind: "CronJob",
        plural: "cronjobs",
        singular: "cronjob",
        short_names: &["cj"],
        categories: &["all"],
        storage: "cronjobs.batch",
        subresources: &[Status],
        strategy: strategy::SPEC_AND_STATUS,
        columns: batch::CRON_JOB,
        row: batch::cron_job,
        ..GROUP
    },
    Entry {
        kind: "Job",
        plural: "jobs",
        singular: "job",
        categories: &["all"],
        storage: "jobs.batch",
        subresources: &[Status],
        strategy: strategy::JOB,
        columns: batch::JOB,
        row: batch::job,
        ..GROUP
    },
];
