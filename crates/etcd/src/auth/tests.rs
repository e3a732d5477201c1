//! Callers and checks, on a store in memory.

use super::*;
use crate::pb::authpb::{Permission, UserAddOptions, permission};

/// Authentication is on; root has the root role, alice may read `a` to `c` and write `w`.
async fn guarded() -> Auth {
    let auth = Auth::open(Store::in_memory(), true).unwrap();
    let grant = |kind: permission::Type, key: &'static str, end: &'static str| {
        let (key, range_end) = (key.into(), end.into());
        Some(Permission { perm_type: kind.into(), key, range_end })
    };
    let hash = auth.shared.passwords.hash("secret".to_owned()).await.unwrap();
    auth.change(move |a| {
        a.user_add("root", hash.clone(), UserAddOptions::default())?;
        a.user_add("alice", hash, UserAddOptions::default())?;
        a.user_add("cert", "".into(), UserAddOptions { no_password: true })?;
        a.user_grant_role("root", ROOT)?;
        a.role_add("guest")?;
        a.role_grant("guest", grant(permission::Type::Read, "a", "b"))?;
        a.role_grant("guest", grant(permission::Type::Read, "b", "c"))?;
        a.role_grant("guest", grant(permission::Type::Write, "w", ""))?;
        a.user_grant_role("alice", "guest")?;
        a.enable()?;
        Ok(Change::Made)
    })
    .await
    .unwrap();
    auth
}

fn with_token(token: &str) -> Request<()> {
    let mut request = Request::new(());
    request.metadata_mut().insert("token", token.parse().unwrap());
    request
}

fn with_certificate(name: &str) -> Request<()> {
    let mut request = Request::new(());
    request.extensions_mut().insert(PeerName(name.into()));
    request
}

async fn caller(auth: &Auth, name: &str) -> Caller {
    let token = auth.authenticate(name, "secret".to_owned()).await.unwrap();
    auth.caller(&with_token(&token)).unwrap()
}

fn check(answer: Result<(), Status>, expected: Result<(), client::ClientError>) {
    let answer = answer.map_err(|status| (status.code(), status.message().to_owned()));
    assert_eq!(answer, expected.map_err(|known| (known.code, known.text.to_owned())));
}

#[tokio::test]
async fn while_it_is_off_everybody_may_do_everything() {
    let auth = Auth::open(Store::in_memory(), false).unwrap();
    let anyone = auth.caller(&with_token("whatever")).unwrap();
    check(auth.may_read(&anyone, &Range::all()), Ok(()));
    check(auth.may_write(&anyone, &Range::all()), Ok(()));
    check(auth.is_admin(&anyone), Ok(()));
    assert_eq!(
        auth.authenticate("root", "secret".to_owned()).await,
        Err(client::AUTH_NOT_ENABLED.into())
    );
}

#[tokio::test]
async fn roles_say_what_a_user_may_do() {
    let auth = guarded().await;
    let alice = caller(&auth, "alice").await;
    check(auth.may_read(&alice, &Range::new("a", "c")), Ok(()));
    check(auth.may_read(&alice, &Range::new("a", "d")), Err(client::PERMISSION_DENIED));
    check(auth.may_read(&alice, &Range::key("w")), Err(client::PERMISSION_DENIED));
    check(auth.may_write(&alice, &Range::key("w")), Ok(()));
    check(auth.may_write(&alice, &Range::key("a")), Err(client::PERMISSION_DENIED));
    check(auth.is_admin(&alice), Err(client::PERMISSION_DENIED));
    let root = caller(&auth, "root").await;
    check(auth.may_write(&root, &Range::all()), Ok(()));
    check(auth.is_admin(&root), Ok(()));
}

#[tokio::test]
async fn who_says_nothing_has_an_empty_name() {
    let auth = guarded().await;
    let nobody = auth.caller(&Request::new(())).unwrap();
    check(auth.may_read(&nobody, &Range::key("a")), Err(client::USER_EMPTY));
    check(auth.is_admin(&nobody), Err(client::USER_EMPTY));
    let answer = auth.caller(&with_token("nonsense.1")).map(|_| ());
    check(answer, Err(client::INVALID_AUTH_TOKEN));
}

#[tokio::test]
async fn a_caller_from_before_a_change_is_old() {
    let auth = guarded().await;
    let alice = caller(&auth, "alice").await;
    auth.change(|a| a.role_add("another")).await.unwrap();
    check(auth.may_read(&alice, &Range::key("a")), Err(client::AUTH_OLD_REVISION));
}

#[tokio::test]
async fn a_certificate_stands_for_its_common_name() {
    let auth = guarded().await;
    let alice = auth.caller(&with_certificate("alice")).unwrap();
    check(auth.may_read(&alice, &Range::key("a")), Ok(()));
    let stranger = auth.caller(&with_certificate("stranger")).unwrap();
    check(auth.may_read(&stranger, &Range::key("a")), Err(client::PERMISSION_DENIED));
    check(auth.is_admin(&stranger), Err(client::PERMISSION_DENIED));
    let mut through_gateway = with_certificate("alice");
    through_gateway.metadata_mut().insert("grpcgateway-accept", "*/*".parse().unwrap());
    assert!(matches!(auth.caller(&through_gateway), Ok(Caller::Nobody)));
}

#[tokio::test]
async fn only_the_right_password_gets_a_token() {
    let auth = guarded().await;
    let with = async |name: &str, password: &str| {
        auth.authenticate(name, password.to_owned()).await.map(|_| ())
    };
    assert_eq!(with("alice", "secret").await, Ok(()));
    assert_eq!(with("alice", "wrong").await, Err(client::AUTH_FAILED.into()));
    assert_eq!(with("nobody", "secret").await, Err(client::AUTH_FAILED.into()));
    assert_eq!(with("cert", "").await, Err(AuthError::NoPasswordUser));
}

#[tokio::test]
async fn a_password_that_changed_while_it_was_checked_gets_no_token() {
    let auth = guarded().await;
    assert_eq!(auth.assign("alice", b"the old hash"), Err(client::AUTH_FAILED.into()));
    assert_eq!(auth.assign("gone", b""), Err(client::AUTH_FAILED.into()));
}

#[tokio::test]
async fn what_was_changed_is_there_after_a_restart() {
    let auth = guarded().await;
    let again = Auth::open(auth.shared.store.clone(), true).unwrap();
    assert_eq!(again.view().accounts, auth.view().accounts);
    assert!(again.is_enabled());
    let revision = auth.shared.store.revision();
    assert_eq!(revision, store::Revision(1), "users and roles take no revision of the key space");
}

#[tokio::test]
async fn turning_it_off_takes_back_all_tokens() {
    let auth = guarded().await;
    let token = auth.authenticate("alice", "secret".to_owned()).await.unwrap();
    auth.change(Accounts::disable).await.unwrap();
    auth.change(|a| a.enable().map(|()| Change::None)).await.unwrap();
    let answer = auth.caller(&with_token(&token)).map(|_| ());
    check(answer, Err(client::INVALID_AUTH_TOKEN));
}

#[tokio::test]
async fn a_change_that_nobody_waits_for_takes_back_tokens_all_the_same() {
    let auth = guarded().await;
    let token = auth.authenticate("alice", "secret".to_owned()).await.unwrap();
    let change = auth.change(|a| a.user_change_password("alice", "another hash".into()));
    // Polled once, as when the client goes away right after it has asked.
    assert!(futures::poll!(Box::pin(change)).is_pending());
    let taken_back = async {
        while auth.caller(&with_token(&token)).is_ok() {
            tokio::task::yield_now().await;
        }
    };
    let patience = std::time::Duration::from_secs(10);
    tokio::time::timeout(patience, taken_back).await.unwrap();
}

#[tokio::test]
async fn a_refused_change_leaves_everything_as_it_was() {
    let auth = guarded().await;
    let before = auth.view().accounts.clone();
    let refused = auth
        .change(|a| {
            a.role_add("new")?;
            a.role_add("new")
        })
        .await;
    assert_eq!(refused, Err(client::ROLE_EXISTS.into()));
    assert_eq!(auth.view().accounts, before);
}
