//! Puts and deletes.

use etcd::pb::etcdserverpb::{DeleteRangeRequest, PutRequest};

use crate::say::{
    ALL, delete, delete_range, everything, get, grant, put, put_leased, time_to_live,
};
use crate::talk;
use crate::talk::Step;

pub fn puts() -> Vec<Step> {
    let with_previous = |key, value| PutRequest { prev_kv: true, ..put(key, value) };
    talk![
        get("a"),
        put("a", "1"),
        put("a", "1"),
        put("a", ""),
        with_previous("a", "2"),
        with_previous("b", "1"),
        put("", "1"),
        get("a"),
        everything(),
    ]
}

pub fn puts_that_keep_something() -> Vec<Step> {
    let keep_value = |key| PutRequest { ignore_value: true, ..put(key, "") };
    let keep_lease = |key, value| PutRequest { ignore_lease: true, ..put(key, value) };
    talk![
        keep_value("a"),
        keep_lease("a", "1"),
        grant(7, 60),
        put_leased("a", "1", 7),
        keep_value("a"),
        get("a"),
        PutRequest { prev_kv: true, ..keep_lease("a", "2") },
        PutRequest { lease: 7, ..keep_value("a") },
        PutRequest { ignore_lease: true, prev_kv: true, ..keep_value("a") },
        PutRequest { value: "3".into(), ..keep_value("a") },
        PutRequest { lease: 7, ..keep_lease("a", "4") },
        put_leased("a", "5", 8),
        put_leased("a", "5", -1),
        time_to_live(7, true),
        put("a", "6"),
        time_to_live(7, true),
        everything(),
    ]
}

pub fn deletes() -> Vec<Step> {
    let with_previous = |request| DeleteRangeRequest { prev_kv: true, ..request };
    talk![
        delete("a"),
        put("a", "1"),
        put("b", "2"),
        put("c", "3"),
        put("d", "4"),
        delete("b"),
        delete("b"),
        with_previous(delete("a")),
        with_previous(delete("a")),
        with_previous(delete_range("c", "e")),
        delete(""),
        delete_range("", "z"),
        put("a", "5"),
        put("b", "6"),
        delete_range("b", "a"),
        delete_range("a", "a"),
        with_previous(delete_range("b", ALL)),
        everything(),
        delete_range(ALL, ALL),
        delete_range(ALL, ALL),
        put("a", "7"),
        get("a"),
        everything(),
    ]
}

pub fn keys_of_any_bytes() -> Vec<Step> {
    let raw = |key: &'static [u8]| PutRequest { key: key.into(), ..put("", "v") };
    talk![
        raw(b"\0"),
        raw(b"\xff"),
        raw(b"\xff\xff"),
        raw(b"a\0b"),
        raw(b"\xc3\x28"),
        PutRequest { value: b"\0\xff"[..].into(), ..put("v", "") },
        everything(),
        delete(ALL),
        everything(),
    ]
}

pub fn requests_too_large() -> Vec<Step> {
    let large = "v".repeat((3 << 20) / 2 - 64);
    let too_large = "v".repeat((3 << 20) / 2 + 512);
    let far_too_large = "v".repeat(3 << 20);
    talk![
        put("a", &large),
        put("a", &too_large),
        put("a", &far_too_large),
        put("b", "1"),
        everything(),
    ]
}
