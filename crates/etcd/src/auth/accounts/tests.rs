//! Every change and every refusal, without a server.

use super::*;
use crate::error::ClientError;

fn accounts() -> Accounts {
    let mut accounts = Accounts::default();
    accounts.user_add("root", "hash".into(), UserAddOptions::default()).unwrap();
    accounts.user_grant_role("root", "root").unwrap();
    accounts.user_add("alice", "hash".into(), UserAddOptions::default()).unwrap();
    accounts.role_add("reader").unwrap();
    accounts
}

fn permission(kind: permission::Type, key: &'static str, end: &'static str) -> Permission {
    Permission { perm_type: kind.into(), key: key.into(), range_end: end.into() }
}

/// What a change answers, on accounts with root, alice and the role reader.
fn check(change: impl Fn(&mut Accounts) -> Changed, expected: Result<Change, ClientError>) {
    let answer = change(&mut accounts());
    assert_eq!(answer, expected.map_err(AuthError::Known));
}

#[test]
fn names_must_be_given_and_new() {
    let plain = UserAddOptions::default;
    check(|a| a.user_add("", Bytes::new(), plain()), Err(error::USER_EMPTY));
    check(|a| a.user_add("alice", Bytes::new(), plain()), Err(error::USER_EXISTS));
    check(|a| a.user_add("bob", Bytes::new(), plain()), Ok(Change::Made));
    check(|a| a.role_add(""), Err(error::ROLE_EMPTY));
    check(|a| a.role_add("reader"), Err(error::ROLE_EXISTS));
    check(|a| a.role_add("writer"), Ok(Change::Made));
}

#[test]
fn what_is_not_there_cannot_be_changed() {
    check(|a| a.user_delete("bob"), Err(error::USER_NOT_FOUND));
    check(|a| a.user_change_password("bob", Bytes::new()), Err(error::USER_NOT_FOUND));
    check(|a| a.user_grant_role("bob", "nothing"), Err(error::USER_NOT_FOUND));
    check(|a| a.user_grant_role("alice", "nothing"), Err(error::ROLE_NOT_FOUND));
    check(|a| a.user_revoke_role("bob", "reader"), Err(error::USER_NOT_FOUND));
    check(|a| a.user_revoke_role("alice", "reader"), Err(error::ROLE_NOT_GRANTED));
    check(|a| a.role_delete("writer"), Err(error::ROLE_NOT_FOUND));
    check(
        |a| a.role_revoke("reader", &"a".into(), &Bytes::new()),
        Err(error::PERMISSION_NOT_GRANTED),
    );
    check(|a| a.role_revoke("writer", &"a".into(), &Bytes::new()), Err(error::ROLE_NOT_FOUND));
}

#[test]
fn a_permission_must_be_given_and_permit_something() {
    let grant = |name, permission: Option<Permission>| {
        move |a: &mut Accounts| a.role_grant(name, permission.clone())
    };
    let read = permission::Type::Read;
    check(grant("reader", None), Err(error::PERMISSION_NOT_GIVEN));
    check(grant("reader", Some(permission(read, "b", "a"))), Err(error::INVALID_AUTH_MANAGEMENT));
    check(grant("writer", Some(permission(read, "a", ""))), Err(error::ROLE_NOT_FOUND));
    check(grant("reader", Some(permission(read, "a", ""))), Ok(Change::Made));
}

#[test]
fn the_same_role_twice_is_no_change() {
    check(|a| a.user_grant_role("root", "root"), Ok(Change::None));
    check(|a| a.user_grant_role("alice", "reader"), Ok(Change::Made));
}

#[test]
fn root_is_needed_to_turn_it_on_and_kept_while_it_is() {
    let refused = |mut a: Accounts| a.enable().unwrap_err();
    assert_eq!(refused(Accounts::default()), error::ROOT_USER_NOT_EXIST.into());
    let mut bare = accounts();
    bare.user_revoke_role("root", "root").unwrap();
    assert_eq!(refused(bare), error::ROOT_ROLE_NOT_EXIST.into());

    let enabled = |change: fn(&mut Accounts) -> Changed| {
        move |a: &mut Accounts| {
            a.role_add("root")?;
            a.enable()?;
            change(a)
        }
    };
    check(enabled(|a| a.user_delete("root")), Err(error::INVALID_AUTH_MANAGEMENT));
    check(enabled(|a| a.user_revoke_role("root", "root")), Err(error::INVALID_AUTH_MANAGEMENT));
    check(enabled(|a| a.role_delete("root")), Err(error::INVALID_AUTH_MANAGEMENT));
    check(enabled(Accounts::disable), Ok(Change::Made));
    check(Accounts::disable, Ok(Change::None));
}

#[test]
fn a_deleted_role_is_taken_from_its_users() {
    let mut accounts = accounts();
    accounts.user_grant_role("alice", "reader").unwrap();
    accounts.role_delete("reader").unwrap();
    assert!(accounts.user("alice").unwrap().roles.is_empty());
    assert_eq!(accounts.user("root").unwrap().roles, ["root"]);
}

#[test]
fn a_second_grant_of_a_range_changes_its_kind() {
    let mut accounts = accounts();
    for (kind, key, end) in [
        (permission::Type::Read, "b", ""),
        (permission::Type::Read, "a", "c"),
        (permission::Type::Read, "a", "b"),
        (permission::Type::Write, "a", "c"),
    ] {
        accounts.role_grant("reader", Some(permission(kind, key, end))).unwrap();
    }
    let (read, write) = (permission::Type::Read, permission::Type::Write);
    let expected =
        [permission(write, "a", "c"), permission(read, "a", "b"), permission(read, "b", "")];
    assert_eq!(accounts.permissions_of("reader").unwrap(), expected);
}

#[test]
fn the_root_role_permits_everything() {
    let mut accounts = accounts();
    assert_eq!(accounts.permissions_of("root"), Err(error::ROLE_NOT_FOUND.into()));
    accounts.role_add("root").unwrap();
    let expected = permission(permission::Type::Readwrite, "", "\0");
    assert_eq!(accounts.permissions_of("root").unwrap(), [expected]);
}

#[test]
fn a_user_without_password_gets_none() {
    let mut accounts = accounts();
    accounts.user_add("bob", Bytes::new(), UserAddOptions { no_password: true }).unwrap();
    accounts.user_change_password("bob", "hash".into()).unwrap();
    accounts.user_change_password("alice", "other".into()).unwrap();
    assert!(accounts.user("bob").unwrap().password.is_empty());
    assert_eq!(accounts.user("alice").unwrap().password, "other");
}

#[test]
fn what_is_kept_is_read_back() {
    let mut accounts = accounts();
    accounts.role_grant("reader", Some(permission(permission::Type::Read, "a", "\0"))).unwrap();
    accounts.enable().unwrap();
    accounts.revision = 17;
    assert_eq!(Accounts::decode(accounts.encode().unwrap()).unwrap(), accounts);
}

#[test]
fn there_is_a_bound_to_names_and_to_everything() {
    let long = "n".repeat(NAME_BYTES_MAX + 1);
    assert_eq!(accounts().role_add(&long), Err(AuthError::TooMuch { max: NAME_BYTES_MAX }));
    let mut accounts = accounts();
    for number in 0..(BYTES_MAX / NAME_BYTES_MAX) {
        accounts.role_add(&format!("{number:0>0$}", NAME_BYTES_MAX)).unwrap();
    }
    assert_eq!(accounts.encode(), Err(AuthError::TooMuch { max: BYTES_MAX }));
}
