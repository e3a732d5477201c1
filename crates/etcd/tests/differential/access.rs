//! Users, roles, tokens, and what they open.

use etcd::pb::authpb::UserAddOptions;
use etcd::pb::authpb::permission::Type::{Read, Readwrite, Write};
use etcd::pb::etcdserverpb::*;

use crate::say::{
    ALL, Equal, compact, create, delete, delete_range, differs, everything, get, grant, put,
    put_leased, range, revoke, role, role_grant, time_to_live, txn, user, user_grant, version,
    watch, when,
};
use crate::talk::Step;
use crate::{parts, talk};

fn get_user(name: &str) -> AuthUserGetRequest {
    AuthUserGetRequest { name: name.into() }
}

fn delete_user(name: &str) -> AuthUserDeleteRequest {
    AuthUserDeleteRequest { name: name.into() }
}

fn change_password(name: &str, password: &str) -> AuthUserChangePasswordRequest {
    AuthUserChangePasswordRequest {
        name: name.into(),
        password: password.into(),
        ..AuthUserChangePasswordRequest::default()
    }
}

fn user_revoke(name: &str, role: &str) -> AuthUserRevokeRoleRequest {
    AuthUserRevokeRoleRequest { name: name.into(), role: role.into() }
}

fn get_role(role: &str) -> AuthRoleGetRequest {
    AuthRoleGetRequest { role: role.into() }
}

fn delete_role(role: &str) -> AuthRoleDeleteRequest {
    AuthRoleDeleteRequest { role: role.into() }
}

fn role_revoke(role: &str, from: &str, to: &str) -> AuthRoleRevokePermissionRequest {
    let (key, range_end) = (from.to_owned().into(), to.to_owned().into());
    AuthRoleRevokePermissionRequest { role: role.into(), key, range_end }
}

fn authenticate(name: &str, password: &str) -> AuthenticateRequest {
    AuthenticateRequest { name: name.into(), password: password.into() }
}

const USERS: AuthUserListRequest = AuthUserListRequest {};
const ROLES: AuthRoleListRequest = AuthRoleListRequest {};
const NOT_ASKED: &str = "3.5 does not look at tokens while authentication is off";
const INVALID_TOKEN: &str = "Unauthenticated: etcdserver: invalid auth token";
const ENABLE: AuthEnableRequest = AuthEnableRequest {};
const DISABLE: AuthDisableRequest = AuthDisableRequest {};

pub fn off() -> Vec<Step> {
    talk![
        USERS,
        ROLES,
        authenticate("root", "secret"),
        DISABLE,
        ENABLE,
        differs(AuthStatusRequest {}, "new in 3.5", "Unimplemented", "enabled: false"),
        Step::Carry("nonsense.1"),
        differs(put("a", "1"), NOT_ASKED, INVALID_TOKEN, "PutResponse"),
        differs(get("a"), NOT_ASKED, INVALID_TOKEN, "RangeResponse"),
    ]
}

pub fn users() -> Vec<Step> {
    let without_password = AuthUserAddRequest {
        options: Some(UserAddOptions { no_password: true }),
        ..user("nopass", "")
    };
    talk![
        user("alice", "secret"),
        user("alice", "other"),
        user("", "secret"),
        user("empty", ""),
        without_password,
        AuthUserAddRequest { options: None, ..user("plain", "secret") },
        USERS,
        get_user("alice"),
        get_user("nobody"),
        change_password("alice", "new"),
        change_password("nobody", "new"),
        change_password("alice", ""),
        user_grant("alice", "nothing"),
        role("r"),
        role("q"),
        user_grant("alice", "r"),
        user_grant("alice", "q"),
        user_grant("alice", "r"),
        user_grant("nobody", "r"),
        get_user("alice"),
        user_revoke("alice", "r"),
        user_revoke("alice", "r"),
        user_revoke("nobody", "r"),
        user_revoke("alice", "nothing"),
        get_user("alice"),
        delete_user("alice"),
        delete_user("alice"),
        delete_user(""),
        USERS,
    ]
}

pub fn roles() -> Vec<Step> {
    talk![
        role("r"),
        role("r"),
        role(""),
        role("a"),
        ROLES,
        get_role("r"),
        get_role("nothing"),
        get_role("root"),
        role("root"),
        differs(get_role("root"), "3.5 tells what the root role may", "perm: []", "Readwrite"),
        user("alice", "secret"),
        user_grant("alice", "r"),
        delete_role("r"),
        delete_role("r"),
        get_user("alice"),
        delete_role("root"),
        ROLES,
    ]
}

pub fn permissions() -> Vec<Step> {
    const NO_RANGE: &str = "3.5 refuses permissions for ranges that hold no key";
    const INVALID: &str = "InvalidArgument: etcdserver: invalid auth management";
    let granted = "AuthRoleGrantPermissionResponse";
    let refused = |request| differs(request, NO_RANGE, granted, INVALID);
    talk![
        role_grant("r", Read, "a", ""),
        role("r"),
        role_grant("r", Read, "b", ""),
        role_grant("r", Write, "a", "c"),
        role_grant("r", Readwrite, "d", ALL),
        role_grant("r", Read, ALL, ALL),
        get_role("r"),
        role_grant("r", Readwrite, "b", ""),
        // Each in a role of its own, as the one server has the permission and the other not.
        role("none"),
        refused(role_grant("none", Read, "z", "a")),
        refused(role_grant("none", Read, "", "")),
        refused(role_grant("none", Read, "", "c")),
        // One without a permission takes etcd 3.4 down.
        get_role("r"),
        role_revoke("r", "b", ""),
        role_revoke("r", "b", ""),
        role_revoke("r", "a", ""),
        role_revoke("r", "a", "c"),
        role_revoke("nothing", "a", "c"),
        role_revoke("r", "d", ALL),
        get_role("r"),
    ]
}

/// root, and alice who may read `a/`, write `w/` and do both to `b/`.
fn enabled() -> Vec<Step> {
    talk![
        user("root", "top"),
        user_grant("root", "root"),
        user("alice", "secret"),
        role("r"),
        user_grant("alice", "r"),
        role_grant("r", Read, "a/", "a0"),
        role_grant("r", Write, "w/", "w0"),
        role_grant("r", Readwrite, "b/", "b0"),
        role_grant("r", Readwrite, "one", ""),
        put("a/1", "1"),
        put("b/1", "1"),
        put("c/1", "1"),
        ENABLE,
    ]
}

pub fn enabling() -> Vec<Step> {
    let mut steps = talk![
        ENABLE,
        user("root", "top"),
        ENABLE,
        role("root"),
        user_grant("root", "root"),
        user("nopower", "x"),
        ENABLE,
        ENABLE,
        get("a"),
        put("a", "1"),
        USERS,
        authenticate("root", "wrong"),
        authenticate("nobody", "wrong"),
        authenticate("", ""),
        authenticate("root", "top"),
        Step::As("nopower", "x"),
        get("a"),
        USERS,
        get_user("nopower"),
        get_user("root"),
        ENABLE,
        DISABLE,
        Step::As("root", "top"),
        put("a", "1"),
        get("a"),
        USERS,
        ENABLE,
        delete_user("root"),
        delete_role("root"),
        user_revoke("root", "root"),
        USERS,
    ];
    steps.extend(talk![
        DISABLE,
        differs(DISABLE, NOT_ASKED, INVALID_TOKEN, "AuthDisableResponse"),
        Step::As("", ""),
        put("a", "2"),
        USERS,
        everything(),
    ]);
    steps
}

pub fn tokens() -> Vec<Step> {
    let mut steps = enabled();
    steps.extend(talk![
        Step::Carry("nonsense"),
        get("a/1"),
        Step::Carry("nonsense.12"),
        get("a/1"),
        put("a/1", "1"),
        Step::Carry(""),
        get("a/1"),
        Step::As("alice", "wrong"),
        Step::As("alice", "secret"),
        get("a/1"),
        // What root changes is so at once.
        change_password("alice", "more"),
        Step::As("root", "top"),
        change_password("alice", "more"),
        Step::As("alice", "secret"),
        Step::As("alice", "more"),
        get("a/1"),
        Step::As("root", "top"),
        delete_user("alice"),
        Step::As("alice", "more"),
    ]);
    steps
}

pub fn ranges_of_roles() -> Vec<Step> {
    let is_new = |key| when(key, Equal, version(0));
    let before = |request| PutRequest { prev_kv: true, ..request };
    let mut steps = enabled();
    steps.extend(talk![
        Step::As("alice", "secret"),
        get("a/1"),
        get("c/1"),
        range("a/", "a0"),
        range("a/", "a1"),
        range("a/1", "a/2"),
        range("a/", "b0"),
        everything(),
        put("a/1", "2"),
        put("b/1", "2"),
        put("w/1", "2"),
        before(put("w/1", "3")),
        before(put("b/1", "3")),
        get("w/1"),
        put("one", "1"),
        get("one"),
        range("one", "two"),
        delete("a/1"),
        delete_range("b/", "b0"),
        delete_range("b/", ALL),
        DeleteRangeRequest { prev_kv: true, ..delete("w/1") },
        delete("w/1"),
        txn(vec![is_new("a/1")], parts![get("a/1")], parts![put("b/1", "4")]),
        txn(vec![is_new("c/1")], parts![], parts![]),
        txn(vec![], parts![get("c/1")], parts![]),
        txn(vec![], parts![], parts![put("a/1", "5")]),
        compact(3),
        create(1, watch("a/", "a0")),
        Step::Watched(1, 1),
        create(2, watch("c/", "c0")),
        Step::Watched(2, 1),
        create(3, watch("a/", "")),
        Step::Watched(3, 1),
        AuthRoleGetRequest { role: "r".into() },
        role("mine"),
        Step::As("root", "top"),
        put("a/1", "6"),
        Step::Watched(1, 1),
        everything(),
        Step::As("", ""),
        get("a/1"),
        put("b/1", "7"),
        Step::As("alice", "secret"),
        differs(
            txn(vec![], parts![txn(vec![], parts![put("c/1", "5")], parts![])], parts![]),
            "etcd looks at no nested transaction, and lets everybody write what they like",
            "succeeded: true",
            "PermissionDenied: etcdserver: permission denied",
        ),
    ]);
    steps
}

pub fn leases_of_others() -> Vec<Step> {
    let mut steps = enabled();
    steps.extend(talk![
        grant(7, 60),
        Step::As("root", "top"),
        grant(7, 60),
        put_leased("c/2", "1", 7),
        Step::As("alice", "secret"),
        grant(8, 60),
        put_leased("b/2", "1", 8),
        put_leased("b/3", "1", 7),
        time_to_live(8, true),
        time_to_live(8, false),
        Step::KeepAlive(vec![8]),
        revoke(7),
        revoke(8),
        Step::As("root", "top"),
        revoke(7),
        everything(),
    ]);
    steps
}
