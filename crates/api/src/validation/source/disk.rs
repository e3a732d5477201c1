//! Disks of clouds and of storage networks.

use crate::validation::field::Field;

/// `partition` of a disk; none is 0.
pub(super) fn partition(source: &Field<'_>) {
    let partition = source.at("partition");
    if !(0..=255).contains(&partition.number()) {
        partition.invalid("must be between 1 and 255, inclusive");
    }
}

/// The number of a unit behind a target.
pub(super) fn unit(number: &Field<'_>) {
    if !(0..=255).contains(&number.number()) {
        number.invalid("must be between 0 and 255, inclusive");
    }
}

pub(super) fn fibre_channel(source: &Field<'_>) {
    let (targets, ids) = (source.at("targetWWNs"), source.at("wwids"));
    if targets.is_empty() && ids.is_empty() {
        targets.required("must specify either targetWWNs or wwids, but not both");
    }
    if !targets.is_empty() && !ids.is_empty() {
        targets.invalid("targetWWNs and wwids can not be specified simultaneously");
    }
    let number = source.at("lun");
    if !targets.is_empty() && !number.is_some() {
        number.required("lun is required if targetWWNs is specified");
    } else if !targets.is_empty() {
        unit(&number);
    }
}

pub(super) fn azure(source: &Field<'_>) {
    const MANAGED: &str = "/subscriptions/{sub-id}/resourcegroups/{group-name}/providers/\
        microsoft.compute/disks/{disk-id}";
    const BLOB: &str =
        "https://{account-name}.blob.core.windows.net/{container-name}/{disk-name}.vhd";
    let (address, kind) = (source.at("diskURI"), source.at("kind"));
    source.at("diskName").must_be_given();
    address.must_be_given();
    let caching = source.at("cachingMode");
    let known: [(&Field<'_>, [&str; 3]); 2] = [
        (&caching, ["None", "ReadOnly", "ReadWrite"]),
        (&kind, ["Dedicated", "Managed", "Shared"]),
    ];
    for (field, known) in known {
        if field.is_some() && !known.contains(&field.text()) {
            field.unsupported(&known);
        }
    }
    let (start, shape) = match kind.text() {
        "Managed" => ("/subscriptions/", MANAGED),
        _ => ("https://", BLOB),
    };
    if kind.is_some() && !address.text().starts_with(start) {
        address.unsupported(&[shape]);
    }
}
