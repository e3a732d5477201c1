//! The queues of one priority level, emptied fairly.
//!
//! A flow is dealt a small hand of the queues and waits in the shortest of them, so that a heavy flow
//! cannot fill the queues of all others (shuffle sharding). Whose turn it is goes by how much
//! each queue has had: seats times time, estimated when a request begins and put right when it ends
//! (start-time fair queuing). A queue that was idle saves nothing up.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use tokio::sync::oneshot;

/// What a request is thought to take before it is known, in seconds; as upstream.
const ESTIMATE_SECONDS: f64 = 0.003;
/// Idle queues that are remembered for what they had too much of.
const IDLE_MAX: usize = 1024;

/// How requests wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Queuing {
    pub(super) queues: usize,
    /// So many queues a flow may wait in.
    pub(super) hand: usize,
    /// So many requests wait in one queue.
    pub(super) length_max: usize,
}

/// A request that waits.
pub(super) struct Waiter {
    pub(super) id: u64,
    pub(super) width: u32,
    pub(super) schema: Arc<str>,
    pub(super) turn: oneshot::Sender<()>,
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<Waiter>,
    waiting_seats: u64,
    /// Seats that its requests have now.
    seats: u64,
    executing: usize,
    /// What it has had, in seat-seconds, on the clock of [`Queues::now`].
    had: f64,
}

impl Queue {
    fn is_idle(&self) -> bool {
        self.waiting.is_empty() && self.executing == 0
    }
}

/// The queues that are not idle, and who waits in them.
#[derive(Default)]
pub(super) struct Queues {
    queues: HashMap<usize, Queue>,
    /// What the queue that was served last had had by then.
    now: f64,
    waiting: usize,
}

impl Queues {
    pub(super) fn waiting(&self) -> usize {
        self.waiting
    }

    /// The queue for a request of this flow: the least loaded of its hand.
    pub(super) fn choose(&self, queuing: Queuing, flow: u64) -> usize {
        let load = |at: &usize| {
            self.queues.get(at).map_or((0, 0), |queue| (queue.waiting_seats, queue.seats))
        };
        deal(flow, queuing.queues, queuing.hand).into_iter().min_by_key(load).unwrap_or(0)
    }

    /// `false`: there is no room in this queue.
    pub(super) fn enqueue(&mut self, at: usize, length_max: usize, waiter: Waiter) -> bool {
        let queue = self.wake(at);
        if queue.waiting.len() >= length_max {
            return false;
        }
        queue.waiting_seats += u64::from(waiter.width);
        queue.waiting.push_back(waiter);
        self.waiting += 1;
        true
    }

    /// The queue, which has had at least what is due by now.
    fn wake(&mut self, at: usize) -> &mut Queue {
        let now = self.now;
        if self.queues.len() >= IDLE_MAX && !self.queues.contains_key(&at) {
            self.queues.retain(|_, queue| !queue.is_idle());
        }
        let queue = self.queues.entry(at).or_default();
        if queue.is_idle() {
            queue.had = queue.had.max(now);
        }
        queue
    }

    /// Which queue is next, and how many seats its first request wants.
    pub(super) fn next(&self) -> Option<(usize, u32)> {
        let waiting = self.queues.iter().filter(|(_, queue)| !queue.waiting.is_empty());
        let (at, queue) = waiting.min_by(|a, b| a.1.had.total_cmp(&b.1.had).then(a.0.cmp(b.0)))?;
        queue.waiting.front().map(|first| (*at, first.width))
    }

    /// The first request of a queue begins.
    pub(super) fn take(&mut self, at: usize) -> Option<Waiter> {
        let queue = self.queues.get_mut(&at)?;
        let waiter = queue.waiting.pop_front()?;
        queue.waiting_seats -= u64::from(waiter.width);
        self.waiting -= 1;
        self.begin(at, waiter.width);
        Some(waiter)
    }

    /// A request begins; it did not have to wait, or was just taken from its queue.
    pub(super) fn begin(&mut self, at: usize, width: u32) {
        let queue = self.wake(at);
        let had = queue.had;
        queue.seats += u64::from(width);
        queue.executing += 1;
        queue.had += f64::from(width) * ESTIMATE_SECONDS;
        self.now = self.now.max(had);
    }

    /// A request that had begun is over.
    pub(super) fn end(&mut self, at: usize, width: u32, took_seconds: f64) {
        let Some(queue) = self.queues.get_mut(&at) else { return };
        queue.seats = queue.seats.saturating_sub(u64::from(width));
        queue.executing = queue.executing.saturating_sub(1);
        queue.had += f64::from(width) * (took_seconds - ESTIMATE_SECONDS);
        if queue.is_idle() && queue.had <= self.now {
            self.queues.remove(&at);
        }
    }

    /// A request waits no longer; `false` where it does not wait.
    pub(super) fn give_up(&mut self, at: usize, id: u64) -> bool {
        let Some(queue) = self.queues.get_mut(&at) else { return false };
        let Some(position) = queue.waiting.iter().position(|waiter| waiter.id == id) else {
            return false;
        };
        let waiter = queue.waiting.remove(position).expect("it was found there");
        queue.waiting_seats -= u64::from(waiter.width);
        self.waiting -= 1;
        if queue.is_idle() {
            self.queues.remove(&at);
        }
        true
    }
}

/// So many different cards of a deck, by a number that stands for the flow.
fn deal(mut flow: u64, deck: usize, hand: usize) -> Vec<usize> {
    let mut dealt: Vec<usize> = Vec::with_capacity(hand.min(deck));
    for left in (1..=deck).rev().take(hand) {
        let left = left as u64;
        let mut card = usize::try_from(flow % left).expect("less than the deck");
        flow /= left;
        // The cards that are out are skipped: `dealt` is sorted.
        for out in &dealt {
            card += usize::from(card >= *out);
        }
        let place = dealt.partition_point(|out| *out < card);
        dealt.insert(place, card);
    }
    dealt
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waiter(id: u64) -> Waiter {
        Waiter { id, width: 1, schema: "s".into(), turn: oneshot::channel().0 }
    }

    #[test]
    fn a_hand_has_different_cards_of_the_deck_and_is_the_same_for_a_flow() {
        for flow in [0, 1, 12_345_678_901, u64::MAX] {
            let hand = deal(flow, 16, 6);
            assert!(hand.windows(2).all(|pair| pair[0] < pair[1]), "{hand:?}");
            assert!(hand.iter().all(|card| *card < 16));
            assert_eq!(hand, deal(flow, 16, 6));
        }
        assert_eq!(deal(7, 3, 3), [0, 1, 2]);
    }

    #[test]
    fn who_had_less_is_next() {
        let mut queues = Queues::default();
        for id in 0..3 {
            assert!(queues.enqueue(1, 9, waiter(id)));
        }
        assert!(queues.enqueue(2, 9, waiter(10)));
        let mut order = Vec::new();
        while let Some((at, _)) = queues.next() {
            order.push(queues.take(at).unwrap().id);
        }
        // The busy queue is served once, then the other one.
        assert_eq!(order, [0, 10, 1, 2]);
    }

    #[test]
    fn what_took_long_is_paid_for() {
        let mut queues = Queues::default();
        queues.begin(1, 1);
        assert!(queues.enqueue(1, 9, waiter(1)));
        assert!(queues.enqueue(2, 9, waiter(2)));
        queues.end(1, 1, 5.0);
        assert_eq!(queues.next(), Some((2, 1)));
        // It stays behind although it was idle in between.
        assert!(queues.give_up(1, 1));
        assert!(!queues.give_up(1, 1));
        assert_eq!(queues.waiting(), 1);
    }

    #[test]
    fn a_full_queue_takes_nobody() {
        let mut queues = Queues::default();
        assert!(queues.enqueue(0, 1, waiter(1)));
        assert!(!queues.enqueue(0, 1, waiter(2)));
    }

    #[test]
    fn the_shortest_queue_of_the_hand_is_chosen() {
        let mut queues = Queues::default();
        let queuing = Queuing { queues: 2, hand: 2, length_max: 9 };
        queues.begin(0, 1);
        assert_eq!(queues.choose(queuing, 42), 1);
        assert!(queues.enqueue(1, 9, waiter(1)));
        assert_eq!(queues.choose(queuing, 42), 0);
    }
}
