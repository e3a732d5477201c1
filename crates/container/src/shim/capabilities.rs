//! Which capabilities a container's processes keep.

use std::str::FromStr;

use caps::{CapSet, Capability, CapsHashSet};

use crate::spec::Security;

/// What Docker and containerd give by default.
const DEFAULT: &[Capability] = &[
    Capability::CAP_CHOWN,
    Capability::CAP_DAC_OVERRIDE,
    Capability::CAP_FSETID,
    Capability::CAP_FOWNER,
    Capability::CAP_MKNOD,
    Capability::CAP_NET_RAW,
    Capability::CAP_SETGID,
    Capability::CAP_SETUID,
    Capability::CAP_SETFCAP,
    Capability::CAP_SETPCAP,
    Capability::CAP_NET_BIND_SERVICE,
    Capability::CAP_SYS_CHROOT,
    Capability::CAP_KILL,
    Capability::CAP_AUDIT_WRITE,
];

/// Works out the set: the default one, or all or none by `ALL`; then what is added by name, then
/// what is dropped by name. The error names what is not a capability.
pub(super) fn granted(security: &Security) -> Result<CapsHashSet, String> {
    if security.privileged {
        return Ok(caps::all());
    }
    let is_all = |name: &String| name.eq_ignore_ascii_case("ALL");
    let mut set: CapsHashSet = DEFAULT.iter().copied().collect();
    if security.add_capabilities.iter().any(is_all) {
        set = caps::all();
    }
    if security.drop_capabilities.iter().any(is_all) {
        set.clear();
    }
    for name in security.add_capabilities.iter().filter(|name| !is_all(name)) {
        set.insert(parse(name)?);
    }
    for name in security.drop_capabilities.iter().filter(|name| !is_all(name)) {
        set.remove(&parse(name)?);
    }
    Ok(set)
}

fn parse(name: &str) -> Result<Capability, String> {
    let canonical = caps::to_canonical(name);
    Capability::from_str(&canonical).map_err(|_| format!("unknown capability {name:?}"))
}

/// Leaves this process only these capabilities (of those it has), and none for programs that it
/// runs as another user. Runs in the child, before its program does.
pub(super) fn reduce_to(granted: &CapsHashSet) -> Result<(), caps::errors::CapsError> {
    for capability in caps::read(None, CapSet::Bounding)? {
        if !granted.contains(&capability) {
            caps::drop(None, CapSet::Bounding, capability)?;
        }
    }
    // Granted may be what this machine does not have; what we do not have we cannot give.
    let have = caps::read(None, CapSet::Permitted)?;
    let kept: CapsHashSet = granted.intersection(&have).copied().collect();
    caps::clear(None, CapSet::Ambient)?;
    caps::clear(None, CapSet::Inheritable)?;
    caps::set(None, CapSet::Effective, &kept)?;
    caps::set(None, CapSet::Permitted, &kept)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(add: &[&str], drop: &[&str], expected: Result<usize, &str>, has: &[&str]) {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let security = Security {
            add_capabilities: names(add),
            drop_capabilities: names(drop),
            ..Security::default()
        };
        let set = granted(&security);
        let count = set.as_ref().map(CapsHashSet::len).map_err(String::as_str);
        assert_eq!(count, expected, "{add:?} {drop:?}");
        for name in has {
            assert!(set.as_ref().unwrap().contains(&parse(name).unwrap()), "{name}");
        }
    }

    #[test]
    fn names_add_to_and_drop_from_the_default() {
        check(&[], &[], Ok(14), &["CHOWN"]);
        check(&["NET_ADMIN"], &[], Ok(15), &["NET_ADMIN"]);
        check(&["cap_net_admin", "NET_RAW"], &[], Ok(15), &["NET_ADMIN"]);
        check(&[], &["NET_RAW", "SYS_ADMIN"], Ok(13), &[]);
        check(&["KILL"], &["KILL"], Ok(13), &[]);
    }

    #[test]
    fn all_is_everything_or_nothing_to_start_from() {
        check(&["ALL"], &[], Ok(caps::all().len()), &["SYS_ADMIN"]);
        check(&["all"], &["SYS_ADMIN"], Ok(caps::all().len() - 1), &["SYS_TIME"]);
        check(&[], &["ALL"], Ok(0), &[]);
        check(&["NET_BIND_SERVICE"], &["ALL"], Ok(1), &["NET_BIND_SERVICE"]);
    }

    #[test]
    fn what_is_no_capability_is_named() {
        check(&["FLY"], &[], Err("unknown capability \"FLY\""), &[]);
        check(&[], &["CAP_FLY"], Err("unknown capability \"CAP_FLY\""), &[]);
    }
}
