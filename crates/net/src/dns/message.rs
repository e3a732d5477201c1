//! DNS messages as bytes: what must be known of them without taking them apart.

use hickory_proto::op::{Edns, Message, Metadata, ResponseCode};

use super::answer::Answer;

/// What a message without EDNS may measure over UDP.
pub(super) const UDP_BYTES_DEFAULT: usize = 512;
/// What we send and take over UDP at most: it fits every usual path unfragmented.
pub(super) const UDP_BYTES_MAX: usize = 1232;
/// A message has a length of 16 bits over TCP.
pub(super) const TCP_BYTES_MAX: usize = u16::MAX as usize;
const HEADER_BYTES: usize = 12;
const TYPE_AND_CLASS_BYTES: usize = 4;

/// How much the asking side takes.
pub(super) fn udp_limit(request: &Message) -> usize {
    match &request.edns {
        Some(edns) => usize::from(edns.max_payload()).clamp(UDP_BYTES_DEFAULT, UDP_BYTES_MAX),
        None => UDP_BYTES_DEFAULT,
    }
}

/// The reply to a request, without records.
pub(super) fn reply(request: &Message, code: ResponseCode) -> Message {
    let mut reply = Message::response(request.metadata.id, request.metadata.op_code);
    reply.metadata = Metadata::response_from_request(&request.metadata);
    reply.metadata.recursion_available = true;
    reply.metadata.response_code = code;
    reply.add_queries(request.queries.iter().cloned());
    if request.edns.is_some() {
        let mut edns = Edns::new();
        edns.set_max_payload(UDP_BYTES_MAX as u16);
        reply.set_edns(edns);
    }
    reply
}

/// The reply to a request that the table has an answer to.
pub(super) fn authoritative(request: &Message, answer: Answer) -> Message {
    let mut reply = reply(request, answer.code);
    reply.metadata.authoritative = true;
    reply.answers = answer.answers;
    reply.authorities = answer.authorities;
    reply.additionals = answer.additionals;
    reply
}

/// The message's bytes, or those of a truncated one if they are too many. None: it cannot be encoded.
pub(super) fn encode(message: &Message, limit: usize) -> Option<Vec<u8>> {
    let whole = message.to_vec().ok()?;
    if whole.len() <= limit {
        return Some(whole);
    }
    message.truncate().to_vec().ok()
}

/// The question section of a message with one question. None: cut off, or compressed, which no first
/// name can be.
pub(super) fn question(bytes: &[u8]) -> Option<&[u8]> {
    let mut at = HEADER_BYTES;
    loop {
        match usize::from(*bytes.get(at)?) {
            0 => return bytes.get(HEADER_BYTES..at + 1 + TYPE_AND_CLASS_BYTES),
            length if length < 64 => at += 1 + length,
            _ => return None,
        }
    }
}

/// Whether a datagram is the reply to a request: same number, same question.
pub(super) fn answers_request(reply: &[u8], request: &[u8]) -> bool {
    let is_reply = reply.get(2).is_some_and(|flags| flags & 0x80 != 0);
    let same_id = reply.get(..2) == request.get(..2);
    let same_question = match (question(reply), question(request)) {
        (Some(one), Some(other)) => one.eq_ignore_ascii_case(other),
        _ => false,
    };
    is_reply && same_id && same_question
}

/// Whether the message says that not all of it fitted.
pub(super) fn is_truncated(bytes: &[u8]) -> bool {
    bytes.get(2).is_some_and(|flags| flags & 0x02 != 0)
}

/// Gives a message another number.
pub(super) fn set_id(bytes: &mut [u8], id: u16) {
    if let Some(place) = bytes.get_mut(..2) {
        place.copy_from_slice(&id.to_be_bytes());
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use hickory_proto::op::{OpCode, Query};
    use hickory_proto::rr::rdata::A;
    use hickory_proto::rr::{Name, RData, Record, RecordType};

    use super::*;

    fn request(name: &str) -> Message {
        let mut message = Message::new(7, hickory_proto::op::MessageType::Query, OpCode::Query);
        message.add_query(Query::query(Name::from_ascii(name).unwrap(), RecordType::A));
        message
    }

    #[test]
    fn a_reply_must_repeat_number_and_question() {
        let request_bytes = request("example.com.").to_vec().unwrap();
        let good = reply(&request("EXAMPLE.com."), ResponseCode::NoError).to_vec().unwrap();
        assert!(answers_request(&good, &request_bytes));
        let mut other_id = good.clone();
        set_id(&mut other_id, 8);
        assert!(!answers_request(&other_id, &request_bytes));
        let other = reply(&request("example.org."), ResponseCode::NoError).to_vec().unwrap();
        assert!(!answers_request(&other, &request_bytes));
        assert!(!answers_request(&request_bytes, &request_bytes), "a request is no reply");
        for cut in 0..good.len() {
            assert!(!answers_request(&good[..cut], &request_bytes));
        }
    }

    #[test]
    fn what_does_not_fit_is_truncated_and_says_so() {
        let request = request("many.example.com.");
        let mut reply = reply(&request, ResponseCode::NoError);
        for n in 0..60 {
            let data = RData::A(A(Ipv4Addr::new(10, 0, 0, n)));
            reply.add_answer(Record::from_rdata(request.queries[0].name().clone(), 5, data));
        }
        let small = encode(&reply, udp_limit(&request)).unwrap();
        assert!(small.len() <= UDP_BYTES_DEFAULT && is_truncated(&small));
        let whole = encode(&reply, TCP_BYTES_MAX).unwrap();
        assert!(whole.len() > UDP_BYTES_DEFAULT && !is_truncated(&whole));
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_no_reply_unless_they_hold_the_question(bytes: Vec<u8>) {
            let request = request("example.com.").to_vec().unwrap();
            let held = question(&bytes).is_some_and(|found| Some(found) == question(&request));
            assert!(!answers_request(&bytes, &request) || held);
        }
    }
}
