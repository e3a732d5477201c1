//! What the table has to say to a question: pure.

use std::net::Ipv4Addr;

use hickory_proto::op::{Query, ResponseCode};
use hickory_proto::rr::rdata::{A, CNAME, NS, PTR, SOA, SRV, TXT};
use hickory_proto::rr::{DNSClass, Name, RData, Record, RecordType};

use super::table::Zone;

/// How long resolvers may keep an answer: short, since endpoints come and go.
const TTL_SECONDS: u32 = 5;
/// Aliases in the table that lead to aliases in the table are followed so far.
const ALIASES_MAX: usize = 8;
const REVERSE_SUFFIX: &str = ".in-addr.arpa";

/// An answer with authority.
#[derive(Debug, Default)]
pub(super) struct Answer {
    pub(super) code: ResponseCode,
    pub(super) answers: Vec<Record>,
    pub(super) authorities: Vec<Record>,
    pub(super) additionals: Vec<Record>,
    /// An alias led out of the domain: the records of this name belong at the end of the answers.
    pub(super) elsewhere: Option<Name>,
}

/// Answers a question, or none: it is not ours. `turn` rotates the order of addresses.
pub(super) fn answer(zone: &Zone, query: &Query, turn: usize) -> Option<Answer> {
    let name = plain(query.name());
    let reverse = reverse_address(&name).filter(|address| zone.covers_address(*address));
    if !zone.covers(&name) && reverse.is_none() {
        return None;
    }
    let refused = query.query_class() != DNSClass::IN
        || matches!(query.query_type(), RecordType::AXFR | RecordType::IXFR);
    if refused {
        return Some(Answer { code: ResponseCode::Refused, ..Answer::default() });
    }
    let mut lookup = Lookup { zone, kind: query.query_type(), turn, answer: Answer::default() };
    match reverse {
        Some(address) => lookup.reverse(query.name(), address),
        None => lookup.forward(query.name().clone(), name),
    }
    Some(lookup.answer)
}

struct Lookup<'a> {
    zone: &'a Zone,
    kind: RecordType,
    turn: usize,
    answer: Answer,
}

impl Lookup<'_> {
    /// A name in the domain. `owner` is spelled as asked, `name` as the table has it.
    fn forward(&mut self, mut owner: Name, mut name: String) {
        for _ in 0..ALIASES_MAX {
            let alias = self.zone.table.cname.get(&name).filter(|_| self.kind != RecordType::CNAME);
            let Some(target) = alias else {
                return self.own_records(owner, &name);
            };
            let Ok(target) = fqdn(target) else {
                return self.fail(ResponseCode::ServFail);
            };
            self.add(owner, RData::CNAME(CNAME(target.clone())));
            name = plain(&target);
            if !self.zone.covers(&name) {
                self.answer.elsewhere = Some(target);
                return;
            }
            owner = target;
        }
        self.fail(ResponseCode::ServFail);
    }

    fn own_records(&mut self, owner: Name, name: &str) {
        let before = self.answer.answers.len();
        if self.wants(RecordType::A) {
            self.addresses(&owner, name);
        }
        if self.wants(RecordType::SRV) {
            self.services(&owner, name);
        }
        if self.wants(RecordType::CNAME)
            && let Some(Ok(target)) = self.zone.table.cname.get(name).map(|target| fqdn(target))
        {
            self.add(owner.clone(), RData::CNAME(CNAME(target)));
        }
        if self.wants(RecordType::TXT)
            && let Some(texts) = self.zone.table.txt.get(name)
        {
            self.add(owner.clone(), RData::TXT(TXT::new(texts.clone())));
        }
        if name == self.zone.table.domain {
            self.apex(&owner);
        }
        if self.answer.answers.len() == before {
            self.nothing(self.zone.exists(name));
        }
    }

    fn addresses(&mut self, owner: &Name, name: &str) {
        let Some(addresses) = self.zone.table.a.get(name) else { return };
        let start = self.turn % addresses.len().max(1);
        for address in addresses[start..].iter().chain(&addresses[..start]) {
            self.add(owner.clone(), RData::A(A(*address)));
        }
    }

    /// The hosts' addresses come along, so that nobody has to ask again.
    fn services(&mut self, owner: &Name, name: &str) {
        for srv in self.zone.table.srv.get(name).into_iter().flatten() {
            let Ok(target) = fqdn(&srv.target) else { continue };
            let data = SRV::new(srv.priority, srv.weight, srv.port, target.clone());
            self.add(owner.clone(), RData::SRV(data));
            for address in self.zone.table.a.get(&srv.target).into_iter().flatten() {
                let record = Record::from_rdata(target.clone(), TTL_SECONDS, RData::A(A(*address)));
                self.answer.additionals.push(record);
            }
        }
    }

    fn apex(&mut self, owner: &Name) {
        let Some((soa, server)) = authority(&self.zone.table.domain) else { return };
        if self.wants(RecordType::SOA) {
            self.answer.answers.push(soa);
        }
        if self.wants(RecordType::NS) {
            self.add(owner.clone(), RData::NS(NS(server)));
        }
    }

    fn reverse(&mut self, owner: &Name, address: Ipv4Addr) {
        let name = self.zone.table.ptr.get(&address).map(|name| fqdn(name));
        match name {
            Some(Ok(name)) if self.wants(RecordType::PTR) => {
                self.add(owner.clone(), RData::PTR(PTR(name)));
            }
            found => self.nothing(found.is_some()),
        }
    }

    fn wants(&self, kind: RecordType) -> bool {
        self.kind == kind || self.kind == RecordType::ANY
    }

    fn add(&mut self, owner: Name, data: RData) {
        self.answer.answers.push(Record::from_rdata(owner, TTL_SECONDS, data));
    }

    /// The name has nothing of the kind asked for, or does not exist; the SOA says how long that holds.
    fn nothing(&mut self, exists: bool) {
        self.fail(if exists { ResponseCode::NoError } else { ResponseCode::NXDomain });
        self.answer.authorities.extend(authority(&self.zone.table.domain).map(|(soa, _)| soa));
    }

    fn fail(&mut self, code: ResponseCode) {
        self.answer.code = code;
    }
}

/// The domain's SOA record, and its server's name.
fn authority(domain: &str) -> Option<(Record, Name)> {
    let server = fqdn(&format!("ns.dns.{domain}")).ok()?;
    let mailbox = fqdn(&format!("hostmaster.{domain}")).ok()?;
    let ttl = TTL_SECONDS;
    let soa = SOA::new(server.clone(), mailbox, 1, 7200, 1800, 86400, ttl);
    Some((Record::from_rdata(fqdn(domain).ok()?, ttl, RData::SOA(soa)), server))
}

fn fqdn(name: &str) -> Result<Name, hickory_proto::ProtoError> {
    Name::from_ascii(format!("{}.", name.trim_end_matches('.')))
}

/// A name as the table spells it: lower case, no dot at the end.
fn plain(name: &Name) -> String {
    let text = name.to_lowercase().to_ascii();
    text.strip_suffix('.').unwrap_or(&text).to_owned()
}

/// The address whose reverse name this is.
fn reverse_address(name: &str) -> Option<Ipv4Addr> {
    let reversed: Ipv4Addr = name.strip_suffix(REVERSE_SUFFIX)?.parse().ok()?;
    let [d, c, b, a] = reversed.octets();
    Some(Ipv4Addr::new(a, b, c, d))
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;
    use crate::dns::{DnsTable, Srv};

    fn zone() -> Zone {
        let a = |last: &[u8]| last.iter().map(|n| Ipv4Addr::new(10, 43, 0, *n)).collect();
        let srv =
            |port, target: &str| Srv { priority: 0, weight: 100, port, target: target.into() };
        Zone::new(DnsTable {
            domain: "cluster.local".into(),
            ranges: vec!["10.42.0.0/16".parse().unwrap(), "10.43.0.0/16".parse().unwrap()],
            a: HashMap::from([
                ("orders.shop.svc.cluster.local".into(), a(&[20])),
                ("db.shop.svc.cluster.local".into(), a(&[31, 32, 33])),
                ("db-0.db.shop.svc.cluster.local".into(), a(&[31])),
            ]),
            srv: HashMap::from([(
                "_http._tcp.orders.shop.svc.cluster.local".into(),
                vec![srv(8080, "orders.shop.svc.cluster.local")],
            )]),
            ptr: HashMap::from([(
                Ipv4Addr::new(10, 43, 0, 20),
                "orders.shop.svc.cluster.local".into(),
            )]),
            cname: HashMap::from([
                ("mail.shop.svc.cluster.local".into(), "mail.example.com".into()),
                ("alias.shop.svc.cluster.local".into(), "orders.shop.svc.cluster.local".into()),
                ("loop.shop.svc.cluster.local".into(), "loop.shop.svc.cluster.local".into()),
            ]),
            txt: HashMap::from([("dns-version.cluster.local".into(), vec!["1.1.0".into()])]),
        })
    }

    /// The answer in short: the code unless it is "no error", the records' data, `SOA` if the authority
    /// section has one, and where to go on.
    fn check(name: &str, kind: RecordType, expected: &str) {
        let query = Query::query(Name::from_ascii(name).unwrap(), kind);
        let got = match answer(&zone(), &query, 0) {
            None => "not ours".to_owned(),
            Some(answer) => in_short(&answer),
        };
        assert_eq!(got, expected, "{name} {kind}");
    }

    fn in_short(answer: &Answer) -> String {
        let mut words = Vec::new();
        if answer.code != ResponseCode::NoError {
            words.push(format!("{:?}", answer.code));
        }
        words.extend(answer.answers.iter().map(|record| {
            assert_eq!(record.ttl, TTL_SECONDS);
            record.data.to_string()
        }));
        words.extend(answer.authorities.iter().map(|record| record.record_type().to_string()));
        words.extend(answer.additionals.iter().map(|record| format!("+{}", record.data)));
        words.extend(answer.elsewhere.iter().map(|name| format!("-> {name}")));
        words.join(" ")
    }

    #[test]
    fn names_in_the_domain_have_addresses() {
        check("orders.shop.svc.cluster.local.", RecordType::A, "10.43.0.20");
        check("ORDERS.shop.SVC.cluster.local.", RecordType::A, "10.43.0.20");
        check("db.shop.svc.cluster.local.", RecordType::A, "10.43.0.31 10.43.0.32 10.43.0.33");
        check("db-0.db.shop.svc.cluster.local.", RecordType::A, "10.43.0.31");
    }

    #[test]
    fn a_name_without_the_kind_asked_for_is_no_error() {
        check("orders.shop.svc.cluster.local.", RecordType::AAAA, "SOA");
        check("orders.shop.svc.cluster.local.", RecordType::MX, "SOA");
        check("shop.svc.cluster.local.", RecordType::A, "SOA");
        check("_tcp.orders.shop.svc.cluster.local.", RecordType::SRV, "SOA");
        check("cluster.local.", RecordType::A, "SOA");
    }

    #[test]
    fn a_name_that_does_not_exist_is_nxdomain() {
        check("nobody.shop.svc.cluster.local.", RecordType::A, "NXDomain SOA");
        check("www.google.com.shop.svc.cluster.local.", RecordType::AAAA, "NXDomain SOA");
        check("svc.svc.cluster.local.", RecordType::A, "NXDomain SOA");
    }

    #[test]
    fn names_elsewhere_are_not_ours() {
        check("example.com.", RecordType::A, "not ours");
        check("xcluster.local.", RecordType::A, "not ours");
        check(".", RecordType::NS, "not ours");
        check("1.0.42.11.in-addr.arpa.", RecordType::PTR, "not ours");
    }

    #[test]
    fn services_say_port_and_host_and_bring_the_address() {
        check(
            "_http._tcp.orders.shop.svc.cluster.local.",
            RecordType::SRV,
            "0 100 8080 orders.shop.svc.cluster.local. +10.43.0.20",
        );
    }

    #[test]
    fn reverse_names_of_our_ranges_are_ours() {
        let name = "orders.shop.svc.cluster.local.";
        check("20.0.43.10.in-addr.arpa.", RecordType::PTR, name);
        check("20.0.43.10.in-addr.arpa.", RecordType::A, "SOA");
        check("21.0.43.10.in-addr.arpa.", RecordType::PTR, "NXDomain SOA");
        check("9.9.42.10.in-addr.arpa.", RecordType::PTR, "NXDomain SOA");
    }

    #[test]
    fn aliases_lead_on() {
        let within = "orders.shop.svc.cluster.local. 10.43.0.20";
        check("alias.shop.svc.cluster.local.", RecordType::A, within);
        let out = "mail.example.com. -> mail.example.com.";
        check("mail.shop.svc.cluster.local.", RecordType::A, out);
        check("mail.shop.svc.cluster.local.", RecordType::CNAME, "mail.example.com.");
        let query =
            Query::query(Name::from_ascii("loop.shop.svc.cluster.local.").unwrap(), RecordType::A);
        assert_eq!(answer(&zone(), &query, 0).unwrap().code, ResponseCode::ServFail);
    }

    #[test]
    fn the_domain_itself_has_its_records() {
        check("dns-version.cluster.local.", RecordType::TXT, "1.1.0");
        check("cluster.local.", RecordType::NS, "ns.dns.cluster.local.");
        check("cluster.local.", RecordType::AXFR, "Refused");
    }

    #[test]
    fn addresses_are_handed_out_in_turn() {
        let name = Name::from_ascii("db.shop.svc.cluster.local.").unwrap();
        let query = Query::query(name, RecordType::A);
        let first = |turn| answer(&zone(), &query, turn).unwrap().answers[0].data.to_string();
        assert_eq!(
            [0, 1, 2, 3].map(first),
            ["10.43.0.31", "10.43.0.32", "10.43.0.33", "10.43.0.31"]
        );
    }
}
