//! Users and groups of a root file system: names to numbers, and the home directory.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{OFlag, OpenHow, ResolveFlag, openat2};

use crate::spec::{Principal, User};

/// Bound on what is read of /etc/passwd and /etc/group: they belong to the image.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// Who a process will be, in numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Identity {
    pub uid: u32,
    pub gid: u32,
    /// Groups beside `gid`.
    pub groups: Vec<u32>,
    pub home: String,
}

/// Looks a user up in the root file system at `root`.
pub(super) fn identify(root: &Path, user: &User) -> Result<Identity, String> {
    let passwd = read(root, "etc/passwd")?;
    let group = read(root, "etc/group")?;
    resolve(&passwd, &group, user)
}

/// Reads a file of the image. Its links are followed inside the image and nowhere else; what is
/// not a plain file counts as empty, as a missing one does.
fn read(root: &Path, name: &str) -> Result<String, String> {
    let fail = |error: io::Error| format!("read /{name} in the root file system: {error}");
    let root = File::open(root).map_err(fail)?;
    let how = OpenHow::new()
        .flags(OFlag::O_RDONLY | OFlag::O_CLOEXEC | OFlag::O_NONBLOCK)
        .resolve(ResolveFlag::RESOLVE_IN_ROOT | ResolveFlag::RESOLVE_NO_MAGICLINKS);
    let file = match openat2(root.as_fd(), name, how) {
        Ok(file) => File::from(file),
        Err(Errno::ENOENT | Errno::ENOTDIR) => return Ok(String::new()),
        Err(errno) => return Err(fail(errno.into())),
    };
    if !file.metadata().map_err(fail)?.is_file() {
        return Ok(String::new());
    }
    let mut bytes = Vec::new();
    file.take(FILE_BYTES_MAX).read_to_end(&mut bytes).map_err(fail)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

struct Account<'a> {
    name: &'a str,
    uid: u32,
    gid: u32,
    home: &'a str,
}

/// `name:password:uid:gid:comment:home:shell`
fn account(line: &str) -> Option<Account<'_>> {
    let mut fields = line.split(':');
    let name = fields.next().filter(|name| !name.is_empty())?;
    let uid = fields.nth(1)?.parse().ok()?;
    let gid = fields.next()?.parse().ok()?;
    Some(Account { name, uid, gid, home: fields.nth(1).unwrap_or("") })
}

/// `name:password:gid:member,member`
fn group_entry(line: &str) -> Option<(&str, u32, &str)> {
    let mut fields = line.split(':');
    let name = fields.next().filter(|name| !name.is_empty())?;
    let gid = fields.nth(1)?.parse().ok()?;
    Some((name, gid, fields.next().unwrap_or("")))
}

fn resolve(passwd: &str, group: &str, user: &User) -> Result<Identity, String> {
    let matches = |account: &Account<'_>| match &user.user {
        Principal::Id(uid) => account.uid == *uid,
        Principal::Name(name) => account.name == name,
    };
    let known = passwd.lines().filter_map(account).find(matches);
    let uid = match (&user.user, &known) {
        (Principal::Id(uid), _) => *uid,
        (Principal::Name(_), Some(account)) => account.uid,
        (Principal::Name(name), None) => {
            return Err(format!("unable to find user {name}: no matching entries in passwd file"));
        }
    };
    let gid = match &user.group {
        Some(Principal::Id(gid)) => *gid,
        Some(Principal::Name(name)) => group_id(group, name)?,
        None => known.as_ref().map_or(0, |account| account.gid),
    };
    let mut groups: BTreeSet<u32> = user.additional_groups.iter().copied().collect();
    if let Some(account) = &known {
        groups.extend(memberships(group, account.name));
    }
    groups.remove(&gid);
    let home = known.map_or("", |account| account.home);
    let home = if home.is_empty() { "/" } else { home };
    Ok(Identity { uid, gid, groups: groups.into_iter().collect(), home: home.to_owned() })
}

fn group_id(group: &str, name: &str) -> Result<u32, String> {
    let found = group.lines().filter_map(group_entry).find(|(have, _, _)| *have == name);
    let found = found.map(|(_, gid, _)| gid);
    found.ok_or_else(|| format!("unable to find group {name}: no matching entries in group file"))
}

fn memberships<'a>(group: &'a str, name: &'a str) -> impl Iterator<Item = u32> + 'a {
    let entries = group.lines().filter_map(group_entry);
    let member = move |members: &str| members.split(',').any(|have| have == name);
    entries.filter(move |(_, _, members)| member(members)).map(|(_, gid, _)| gid)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    const PASSWD: &str = "\
root:x:0:0:root:/root:/bin/sh
broken line
app:x:1000:1001:An app:/home/app:/bin/false
nohome:x:1002:1002:::
";
    const GROUP: &str = "\
root:x:0:
staff:x:50:app,other
app:x:1001:
wheel:x:10:root,app
";

    fn check(user: &str, expected: Result<(u32, u32, &[u32], &str), &str>) {
        let found = resolve(PASSWD, GROUP, &User::parse(user));
        let found =
            found.as_ref().map(|id| (id.uid, id.gid, id.groups.as_slice(), id.home.as_str()));
        assert_eq!(found.map_err(String::as_str), expected, "{user}");
    }

    #[test]
    fn numbers_are_taken_as_they_are() {
        check("", Ok((0, 0, &[10], "/root")));
        check("7", Ok((7, 0, &[], "/")));
        check("7:8", Ok((7, 8, &[], "/")));
        check("1000", Ok((1000, 1001, &[10, 50], "/home/app")));
        check("1000:50", Ok((1000, 50, &[10], "/home/app")));
    }

    #[test]
    fn names_are_looked_up() {
        check("app", Ok((1000, 1001, &[10, 50], "/home/app")));
        check("app:staff", Ok((1000, 50, &[10], "/home/app")));
        check("nohome", Ok((1002, 1002, &[], "/")));
        check("ghost", Err("unable to find user ghost: no matching entries in passwd file"));
        check("app:ghosts", Err("unable to find group ghosts: no matching entries in group file"));
    }

    #[test]
    fn additional_groups_are_added_once() {
        let user = User { additional_groups: vec![50, 99, 1001], ..User::parse("app") };
        assert_eq!(resolve(PASSWD, GROUP, &user).unwrap().groups, [10, 50, 99]);
    }

    #[test]
    fn an_image_cannot_point_at_the_hosts_files() {
        let top = tempfile::tempdir().unwrap();
        fs::create_dir(top.path().join("etc")).unwrap();
        fs::write(top.path().join("real"), "app:x:5:6::/x:\n").unwrap();
        symlink("/real", top.path().join("etc/passwd")).unwrap();
        let identity = identify(top.path(), &User::parse("app")).unwrap();
        assert_eq!((identity.uid, identity.gid), (5, 6));
        fs::remove_file(top.path().join("etc/passwd")).unwrap();
        symlink("../../../../../../etc/passwd", top.path().join("etc/passwd")).unwrap();
        // In the image that is the link itself: a loop, and an error rather than the host's file.
        assert!(identify(top.path(), &User::parse("daemon")).is_err());
    }

    #[test]
    fn an_image_without_files_knows_numbers_only() {
        let top = tempfile::tempdir().unwrap();
        assert_eq!(identify(top.path(), &User::parse("9:9")).unwrap().uid, 9);
        assert!(identify(top.path(), &User::parse("app")).is_err());
    }

    proptest::proptest! {
        #[test]
        fn no_image_can_make_the_lookup_panic(
            passwd in "[a-z0-9:,\n-]{0,200}", group in "[a-z0-9:,\n-]{0,200}", user in "\\PC{0,9}",
        ) {
            // Found or not: it must come back.
            let _ = resolve(&passwd, &group, &User::parse(&user));
        }
    }
}
