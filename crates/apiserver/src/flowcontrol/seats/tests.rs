use super::super::queues::Queuing;
use super::*;

const QUEUES: Kind = Kind::Queuing(Queuing { queues: 4, hand: 2, length_max: 2 });

fn level(name: &str, shares: u64, lendable_percent: u64, kind: Kind) -> LevelSettings {
    LevelSettings {
        name: name.to_owned(),
        uid: format!("uid-{name}").into(),
        shares,
        lendable_percent,
        borrowing_percent: None,
        kind,
    }
}

/// Levels in a table of ten seats.
struct Table {
    seats: Seats,
    ids: HashMap<String, LevelId>,
}

impl Table {
    fn of(levels: &[LevelSettings]) -> Self {
        let mut seats = Seats::new(10);
        let ids = seats.configure(levels);
        Self { seats, ids }
    }

    fn enter(&mut self, level: &str) -> Entry {
        self.seats.enter(self.ids[level], 0, 1, &"schema".into())
    }

    /// So many requests find a seat at once.
    fn fill(&mut self, level: &str) -> Vec<Ticket> {
        let mut seated = Vec::new();
        while let Entry::Seated(ticket, _) = self.enter(level) {
            seated.push(ticket);
            assert!(seated.len() <= 100, "there is no end");
        }
        seated
    }
}

#[test]
fn seats_are_shared_out_by_shares() {
    let mut table =
        Table::of(&[level("a", 30, 0, Kind::Rejecting), level("b", 20, 0, Kind::Rejecting)]);
    assert_eq!(table.fill("a").len(), 6);
    assert_eq!(table.fill("b").len(), 4);
}

#[test]
fn what_is_exempt_always_finds_a_seat() {
    let mut table = Table::of(&[level("e", 0, 0, Kind::Exempt), level("a", 1, 0, QUEUES)]);
    for _ in 0..50 {
        assert!(matches!(table.enter("e"), Entry::Seated(..)));
    }
    assert_eq!(table.fill("a").len(), 10);
}

#[test]
fn what_a_level_lends_is_borrowed_and_comes_back() {
    let mut table =
        Table::of(&[level("a", 1, 0, Kind::Rejecting), level("b", 1, 60, Kind::Rejecting)]);
    let mut borrower = table.fill("a");
    assert_eq!(borrower.len(), 5 + 3, "three of five are lent");
    let lender = table.fill("b");
    assert_eq!(lender.len(), 2, "what is not lent is there at once");
    let ticket = borrower.pop().unwrap();
    table.seats.leave(&ticket, true);
    assert!(matches!(table.enter("a"), Entry::Seated(..)), "nobody else wants it");
    let ticket = borrower.pop().unwrap();
    table.seats.leave(&ticket, true);
    assert!(matches!(table.enter("b"), Entry::Seated(..)), "its own has come back");
    assert!(matches!(table.enter("a"), Entry::Refused(_)));
}

#[test]
fn a_borrowing_limit_holds() {
    let mut a = level("a", 1, 0, Kind::Rejecting);
    a.borrowing_percent = Some(20);
    let mut table = Table::of(&[a, level("b", 1, 100, Kind::Rejecting)]);
    assert_eq!(table.fill("a").len(), 6);
}

#[test]
fn a_freed_seat_goes_to_who_waits() {
    let mut table = Table::of(&[level("a", 1, 0, QUEUES)]);
    let mut seated = Vec::new();
    let mut waiting = Vec::new();
    loop {
        match table.enter("a") {
            Entry::Seated(ticket, _) => seated.push(ticket),
            Entry::Waiting(ticket, _, turn) => waiting.push((ticket, turn)),
            Entry::Refused(uid) => {
                assert_eq!(&*uid, "uid-a");
                break;
            }
            Entry::Gone => panic!("it is there"),
        }
    }
    assert_eq!((seated.len(), waiting.len()), (10, 2 * 2), "two queues of two");
    table.seats.leave(&seated.pop().unwrap(), true);
    let served = waiting.iter_mut().filter_map(|(_, turn)| turn.try_recv().ok()).count();
    assert_eq!(served, 1);
    // Whoever goes without knowing of his turn gives the seat back.
    for (ticket, _) in &waiting {
        table.seats.leave(ticket, false);
    }
    for ticket in &seated {
        table.seats.leave(ticket, true);
    }
    let a = table.seats.levels().next().unwrap();
    assert_eq!((a.in_use, a.executing, a.queues.waiting()), (0, 0, 0));
    assert_eq!((table.seats.waiting, table.seats.borrowed), (0, 0));
}

#[test]
fn who_waits_in_a_level_that_goes_is_told() {
    let mut table = Table::of(&[level("a", 1, 0, QUEUES)]);
    let seated = table.fill("a");
    let Entry::Waiting(ticket, _, mut turn) = table.enter("a") else { panic!("no queue") };
    table.seats.configure(&[level("b", 1, 0, QUEUES)]);
    assert_eq!(turn.try_recv(), Err(oneshot::error::TryRecvError::Closed));
    table.seats.leave(&ticket, false);
    table.seats.leave(&seated[0], true);
    assert!(matches!(table.enter("a"), Entry::Gone));
    assert_eq!(table.seats.waiting, 0);
}

#[test]
fn more_seats_serve_who_waits_at_once() {
    let mut table = Table::of(&[level("a", 1, 0, QUEUES), level("b", 1, 0, QUEUES)]);
    table.fill("a");
    let Entry::Waiting(_ticket, _, mut turn) = table.enter("a") else { panic!("no queue") };
    table.seats.configure(&[level("a", 3, 0, QUEUES), level("b", 1, 0, QUEUES)]);
    assert!(turn.try_recv().is_ok());
}

#[test]
fn a_wide_request_takes_no_more_than_its_part() {
    assert_eq!([0, 10, 40, 1000].map(widest), [1, 1, 6, 10]);
}
