use std::os::unix::fs::PermissionsExt as _;

use super::*;

fn keyring() -> (tempfile::TempDir, Keyring) {
    let directory = tempfile::tempdir().unwrap();
    let keyring = Keyring::open(&directory.path().join("keys.json")).unwrap();
    (directory, keyring)
}

/// What a keyring makes of a value under a name.
#[track_caller]
fn check(keyring: &Keyring, name: &str, value: &[u8], expected: Result<&str, &str>) {
    let found = match keyring.unseal(name.as_bytes(), value) {
        Ok(plain) => Ok(plain.map_or_else(
            || "not sealed".to_owned(),
            |plain| String::from_utf8_lossy(&plain).into_owned(),
        )),
        Err(error) => Err(error.to_string()),
    };
    match (&found, expected) {
        (Ok(found), Ok(expected)) => assert_eq!(found, expected),
        (Err(found), Err(expected)) => assert!(found.contains(expected), "{found}"),
        _ => panic!("{found:?} instead of {expected:?}"),
    }
}

#[test]
fn what_is_sealed_opens_under_its_own_name_only() {
    let (_directory, keyring) = keyring();
    let sealed = keyring.seal(b"a", b"treasure").unwrap();
    assert!(!sealed.windows(8).any(|window| window == b"treasure"));
    check(&keyring, "a", &sealed, Ok("treasure"));
    check(&keyring, "b", &sealed, Err("put in the place of another"));
    check(&keyring, "a", b"{\"plain\":1}", Ok("not sealed"));
    assert_ne!(keyring.seal(b"a", b"treasure").unwrap(), sealed, "each has a nonce of its own");
}

#[test]
fn every_change_of_a_sealed_value_is_found() {
    let (_directory, keyring) = keyring();
    let sealed = keyring.seal(b"a", b"treasure").unwrap();
    for at in MARK.len()..sealed.len() {
        let mut changed = sealed.to_vec();
        changed[at] ^= 1;
        assert!(keyring.unseal(b"a", &changed).is_err(), "byte {at}");
    }
    for length in MARK.len()..sealed.len() {
        assert!(keyring.unseal(b"a", &sealed[..length]).is_err(), "{length} bytes");
    }
}

#[test]
fn the_key_is_on_disk_before_it_seals_and_for_its_owner_alone() {
    let (directory, keyring) = keyring();
    assert!(!keyring.path().exists() && !keyring.is_on_disk());
    let sealed = keyring.seal(b"a", b"treasure").unwrap();
    let mode = std::fs::metadata(keyring.path()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let again = Keyring::open(&directory.path().join("keys.json")).unwrap();
    check(&again, "a", &sealed, Ok("treasure"));
}

#[test]
fn a_new_key_seals_and_old_ones_open_until_they_are_dropped() {
    let (directory, keyring) = keyring();
    let old = keyring.seal(b"a", b"treasure").unwrap();
    let first = keyring.ids();
    let id = keyring.add().unwrap();
    assert_eq!(keyring.ids(), [vec![id.clone()], first.clone()].concat());
    let new = keyring.seal(b"a", b"treasure").unwrap();
    assert_eq!(Keyring::key_of(&new), Some(id.as_str()));
    let open = || Keyring::open(&directory.path().join("keys.json")).unwrap();
    check(&open(), "a", &old, Ok("treasure"));
    assert_eq!(keyring.drop_old().unwrap(), first);
    // Whoever is late is served; the next process knows the key no more.
    check(&keyring, "a", &old, Ok("treasure"));
    check(&open(), "a", &old, Err(&first[0]));
    check(&open(), "a", &new, Ok("treasure"));
}

#[test]
fn keys_are_bounded() {
    let (_directory, keyring) = keyring();
    for _ in 1..KEYS_MAX {
        keyring.add().unwrap();
    }
    assert!(matches!(keyring.add(), Err(SealError::TooManyKeys)));
}

#[test]
fn a_file_that_holds_no_keys_is_named_and_stays() {
    let (directory, _) = keyring();
    let path = directory.path().join("keys.json");
    for text in ["rubbish", "{}", "{\"keys\":[]}", "{\"keys\":[{\"id\":\"x\",\"secret\":\"\"}]}"] {
        std::fs::write(&path, text).unwrap();
        let error = Keyring::open(&path).err().unwrap().to_string();
        assert!(error.contains("keys.json") && !error.contains("remove"), "{error}");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
    }
}
