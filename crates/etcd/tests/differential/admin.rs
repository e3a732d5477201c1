//! Maintenance and members.

use etcd::pb::etcdserverpb::alarm_request::AlarmAction;
use etcd::pb::etcdserverpb::*;

use crate::say::{differs, put};
use crate::talk;
use crate::talk::Step;

pub fn status_and_members() -> Vec<Step> {
    talk![
        StatusRequest {},
        put("a", "1"),
        StatusRequest {},
        MemberListRequest::default(),
        MemberListRequest { linearizable: true },
        DefragmentRequest {},
        StatusRequest {},
    ]
}

fn alarm(action: AlarmAction, alarm: AlarmType) -> AlarmRequest {
    AlarmRequest { action: action.into(), alarm: alarm.into(), member_id: 0 }
}

fn with_header(request: AlarmRequest) -> Step {
    differs(request, "3.5 fills the header", "header: None", "header: Some")
}

pub fn alarms() -> Vec<Step> {
    talk![
        with_header(alarm(AlarmAction::Get, AlarmType::None)),
        with_header(alarm(AlarmAction::Get, AlarmType::Nospace)),
        with_header(alarm(AlarmAction::Deactivate, AlarmType::Nospace)),
        with_header(alarm(AlarmAction::Deactivate, AlarmType::None)),
    ]
}

pub fn hashes() -> Vec<Step> {
    const COMPACTED: &str = "3.5 hashes up to the revision that was compacted, too";
    let at = |revision| HashKvRequest { revision };
    talk![
        HashRequest {},
        at(0),
        put("a", "1"),
        put("a", "2"),
        HashRequest {},
        at(0),
        at(2),
        at(3),
        at(4),
        CompactionRequest { revision: 3, physical: true },
        at(0),
        at(2),
        differs(at(3), COMPACTED, "OutOfRange", "compact_revision: 3"),
    ]
}

pub fn maintenance_errors() -> Vec<Step> {
    talk![
        MoveLeaderRequest { target_id: 99 },
        MoveLeaderRequest::default(),
        differs(
            DowngradeRequest { action: 0, version: "3.4.0".into() },
            "new in 3.5, and nothing to go down to here",
            "Unimplemented: unknown method Downgrade",
            "",
        ),
    ]
}

pub fn member_errors() -> Vec<Step> {
    talk![
        MemberRemoveRequest { id: 99 },
        MemberUpdateRequest { id: 99, peer_ur_ls: vec!["http://127.0.0.1:1".into()] },
        MemberPromoteRequest { id: 99 },
        MemberAddRequest { peer_ur_ls: vec!["not a url".into()], is_learner: false },
        MemberListRequest::default(),
    ]
}
