//! Which addresses of a range are in use.
//!
//! Addresses are given out in rising order and start again at the bottom only when the top has been
//! reached, so that an address just released is not soon somebody else's: peers that still talk to the
//! old owner hit nothing rather than a stranger.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use crate::AddressRange;

/// The addresses of one range, taken and free.
///
/// Base and broadcast address are never given out, nor are those taken by name.
#[derive(Debug, Clone)]
pub struct AddressPool {
    range: AddressRange,
    taken: BTreeSet<u32>,
    next: u32,
}

/// Why no address could be had.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum PoolError {
    /// Every address is in use.
    #[error("all addresses of {0} are in use")]
    Exhausted(AddressRange),
    /// The address belongs to someone already.
    #[error("address {0} is in use")]
    InUse(Ipv4Addr),
    /// The address is not one that this range can give out.
    #[error("address {address} is not a usable address of {range}")]
    Outside {
        /// The address asked for.
        address: Ipv4Addr,
        /// The pool's range.
        range: AddressRange,
    },
}

impl AddressPool {
    /// A pool with every usable address free.
    pub fn new(range: AddressRange) -> AddressPool {
        AddressPool { range, taken: BTreeSet::new(), next: 1 }
    }

    /// The range the addresses come from.
    pub fn range(&self) -> AddressRange {
        self.range
    }

    /// The next free address after the one given out last.
    pub fn take(&mut self) -> Result<Ipv4Addr, PoolError> {
        let offset = (self.free_from(self.next))
            .or_else(|| self.free_from(1))
            .ok_or(PoolError::Exhausted(self.range))?;
        self.taken.insert(offset);
        self.next = offset + 1;
        Ok(self.at(offset))
    }

    /// This very address: for the node's own, and for pods found running.
    pub fn take_specific(&mut self, address: Ipv4Addr) -> Result<(), PoolError> {
        let offset = self.usable(address)?;
        if !self.taken.insert(offset) {
            return Err(PoolError::InUse(address));
        }
        self.next = self.next.max(offset + 1);
        Ok(())
    }

    /// Gives an address back. Says whether it was taken.
    pub fn release(&mut self, address: Ipv4Addr) -> bool {
        self.range.offset(address).is_some_and(|offset| self.taken.remove(&offset))
    }

    /// How many addresses are in use.
    pub fn taken(&self) -> usize {
        self.taken.len()
    }

    fn at(&self, offset: u32) -> Ipv4Addr {
        self.range.nth(offset).expect("offsets in the pool lie inside the range")
    }

    fn usable(&self, address: Ipv4Addr) -> Result<u32, PoolError> {
        let outside = PoolError::Outside { address, range: self.range };
        match self.range.offset(address) {
            Some(offset) if (1..self.range.size() - 1).contains(&offset) => Ok(offset),
            _ => Err(outside),
        }
    }

    /// The lowest free offset at or above `start`: a walk along the run of taken ones.
    fn free_from(&self, start: u32) -> Option<u32> {
        let mut candidate = start;
        for &taken in self.taken.range(start..) {
            if taken != candidate {
                break;
            }
            candidate += 1;
        }
        (candidate < self.range.size() - 1).then_some(candidate)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pool() -> AddressPool {
        AddressPool::new("10.0.0.0/29".parse().unwrap())
    }

    fn address(last: u8) -> Ipv4Addr {
        Ipv4Addr::new(10, 0, 0, last)
    }

    #[test]
    fn base_and_broadcast_are_never_given_out() {
        let mut pool = pool();
        let all: Vec<_> = (0..6).map(|_| pool.take().unwrap()).collect();
        assert_eq!(all, (1..=6).map(address).collect::<Vec<_>>());
        assert_eq!(pool.take(), Err(PoolError::Exhausted(pool.range())));
    }

    #[test]
    fn a_released_address_rests_until_the_range_has_gone_round() {
        let mut pool = pool();
        let first = pool.take().unwrap();
        assert!(pool.release(first));
        assert_eq!((0..6).map(|_| pool.take().unwrap()).collect::<Vec<_>>(), {
            let mut round: Vec<_> = (2..=6).map(address).collect();
            round.push(first);
            round
        });
    }

    #[test]
    fn a_specific_address_is_taken_once_and_inside_only() {
        let mut pool = pool();
        assert_eq!(pool.take_specific(address(3)), Ok(()));
        assert_eq!(pool.take_specific(address(3)), Err(PoolError::InUse(address(3))));
        for wrong in [address(0), address(7), address(9)] {
            assert!(matches!(pool.take_specific(wrong), Err(PoolError::Outside { .. })));
        }
        assert_eq!(pool.take(), Ok(address(4)), "adoption moves the hand past what runs");
        assert!(!pool.release(address(5)));
        assert_eq!(pool.taken(), 2);
    }

    #[test]
    fn a_full_range_can_be_used_up_and_emptied() {
        let mut pool = AddressPool::new("10.42.0.0/20".parse().unwrap());
        let all: Vec<_> = std::iter::from_fn(|| pool.take().ok()).collect();
        assert_eq!(all.len(), 4094);
        assert!(all.iter().all(|&address| pool.release(address)));
        assert_eq!(pool.taken(), 0);
        assert!(pool.take().is_ok());
    }
}
