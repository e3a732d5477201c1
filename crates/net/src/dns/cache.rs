//! Answers of others, for as long as they allow and we dare.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::RData;

/// More names than a development box asks for at a time.
const ENTRIES_MAX: usize = 1024;
/// The host's own DNS may change (networks come and go), so nothing is kept for long.
const TTL_MAX: Duration = Duration::from_secs(30);

/// What distinguishes questions that may have different answers: the question section in lower case, and the
/// flags and EDNS that came with it.
pub(super) type Key = Vec<u8>;

/// A bounded number of answers.
#[derive(Debug, Default)]
pub(super) struct Cache(HashMap<Key, Entry>);

#[derive(Debug)]
struct Entry {
    message: Message,
    stored: Instant,
    lifetime: Duration,
}

impl Cache {
    /// The answer, aged, if it is still good.
    pub(super) fn get(&self, key: &Key, now: Instant) -> Option<Message> {
        let entry = self.0.get(key)?;
        let age = now.saturating_duration_since(entry.stored);
        if age >= entry.lifetime {
            return None;
        }
        let mut message = entry.message.clone();
        let seconds = age.as_secs() as u32;
        for section in [&mut message.answers, &mut message.authorities, &mut message.additionals] {
            section.iter_mut().for_each(|record| record.ttl = record.ttl.saturating_sub(seconds));
        }
        Some(message)
    }

    /// Keeps an answer, if it may be kept. The oldest one makes room.
    pub(super) fn put(&mut self, key: Key, message: Message, now: Instant) {
        let Some(lifetime) = lifetime(&message) else { return };
        if self.0.len() >= ENTRIES_MAX && !self.0.contains_key(&key) {
            self.make_room(now);
        }
        self.0.insert(key, Entry { message, stored: now, lifetime });
    }

    fn make_room(&mut self, now: Instant) {
        self.0.retain(|_, entry| now.saturating_duration_since(entry.stored) < entry.lifetime);
        if self.0.len() < ENTRIES_MAX {
            return;
        }
        let oldest =
            self.0.iter().min_by_key(|(_, entry)| entry.stored).map(|(key, _)| key.clone());
        if let Some(key) = oldest {
            self.0.remove(&key);
        }
    }
}

/// How long an answer may be kept: the shortest of its records, or what the SOA says of a "no".
fn lifetime(message: &Message) -> Option<Duration> {
    let code = message.metadata.response_code;
    if message.metadata.truncation
        || !matches!(code, ResponseCode::NoError | ResponseCode::NXDomain)
    {
        return None;
    }
    let seconds = if message.answers.is_empty() {
        message.authorities.iter().find_map(|record| match &record.data {
            RData::SOA(soa) => Some(record.ttl.min(soa.minimum)),
            _ => None,
        })?
    } else {
        message.answers.iter().map(|record| record.ttl).min()?
    };
    (seconds > 0).then(|| Duration::from_secs(seconds.into()).min(TTL_MAX))
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use hickory_proto::op::OpCode;
    use hickory_proto::rr::rdata::{A, SOA};
    use hickory_proto::rr::{Name, Record};

    use super::*;

    fn answer(ttl: u32) -> Message {
        let mut message = Message::response(1, OpCode::Query);
        let data = RData::A(A(Ipv4Addr::LOCALHOST));
        message.add_answer(Record::from_rdata(Name::root(), ttl, data));
        message
    }

    /// Whether an answer is still given after so many seconds, and with which time to live.
    fn check(message: Message, after: u64, expected: Option<u32>) {
        let (mut cache, now) = (Cache::default(), Instant::now());
        cache.put(vec![1], message, now);
        let got = cache.get(&vec![1], now + Duration::from_secs(after));
        assert_eq!(
            got.map(|message| message.answers.first().map_or(0, |record| record.ttl)),
            expected
        );
    }

    #[test]
    fn answers_age_and_go() {
        check(answer(10), 0, Some(10));
        check(answer(10), 9, Some(1));
        check(answer(10), 10, None);
        check(answer(3600), 29, Some(3571));
        check(answer(3600), 30, None);
        check(answer(0), 0, None);
    }

    #[test]
    fn a_no_is_kept_as_long_as_its_soa_says() {
        let mut no = Message::response(1, OpCode::Query);
        no.metadata.response_code = ResponseCode::NXDomain;
        check(no.clone(), 0, None);
        let soa = SOA::new(Name::root(), Name::root(), 1, 1, 1, 1, 5);
        no.add_authority(Record::from_rdata(Name::root(), 600, RData::SOA(soa)));
        check(no.clone(), 4, Some(0));
        check(no.clone(), 5, None);
        no.metadata.response_code = ResponseCode::ServFail;
        check(no, 0, None);
    }

    #[test]
    fn the_number_of_answers_is_bounded() {
        let (mut cache, now) = (Cache::default(), Instant::now());
        for n in 0..ENTRIES_MAX + 100 {
            let at = now + Duration::from_millis(n as u64);
            cache.put(n.to_le_bytes().to_vec(), answer(30), at);
        }
        assert_eq!(cache.0.len(), ENTRIES_MAX);
        let newest = (ENTRIES_MAX + 99).to_le_bytes().to_vec();
        assert!(cache.get(&newest, now + Duration::from_secs(2)).is_some());
        assert!(cache.get(&0_usize.to_le_bytes().to_vec(), now).is_none());
    }
}
