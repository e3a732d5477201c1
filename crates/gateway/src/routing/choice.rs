//! Which endpoint of a route takes a request.

use std::net::SocketAddr;
use std::sync::Arc;

use rand::random_range;

use super::{Pool, Target};
use crate::endpoint::Endpoint;

impl Target {
    /// An endpoint for the next attempt, and whether it was not `tried` before; `None` when the
    /// route has none at all.
    pub fn choose(&self, tried: &[SocketAddr]) -> Option<(Arc<Endpoint>, bool)> {
        let usable = || self.backends.iter().filter(|pool| pool.share() > 0);
        let total: u64 = usable().map(Pool::share).sum();
        if total == 0 {
            return None;
        }
        let mut ticket = random_range(0..total);
        let pool = usable().find(|pool| {
            let drawn = ticket < pool.share();
            ticket = ticket.saturating_sub(pool.share());
            drawn
        })?;
        Some(pool.choose(tried))
    }
}

impl Pool {
    /// Its weight; none when nobody is there to bear it.
    fn share(&self) -> u64 {
        if self.endpoints.is_empty() { 0 } else { u64::from(self.weight) }
    }

    /// The less busy of two drawn at random: nearly as good as the least busy of all, and no herd
    /// runs to the same one. Those tried before, or that just failed, come last.
    fn choose(&self, tried: &[SocketAddr]) -> (Arc<Endpoint>, bool) {
        let new = |endpoint: &&Arc<Endpoint>| !tried.contains(&endpoint.address());
        let drawn = self.draw();
        if new(&drawn) && !drawn.is_resting() {
            return (drawn.clone(), true);
        }
        let least = |endpoints: Vec<&Arc<Endpoint>>| {
            endpoints.into_iter().min_by_key(|endpoint| endpoint.outstanding()).cloned()
        };
        let untried: Vec<_> = self.endpoints.iter().filter(new).collect();
        let rested = untried.iter().copied().filter(|endpoint| !endpoint.is_resting()).collect();
        match least(rested).or_else(|| least(untried)) {
            Some(endpoint) => (endpoint, true),
            None => (drawn.clone(), false),
        }
    }

    fn draw(&self) -> &Arc<Endpoint> {
        let count = self.endpoints.len();
        let first = random_range(0..count);
        if count == 1 {
            return &self.endpoints[first];
        }
        let second = (first + random_range(1..count)) % count;
        let [first, second] = [first, second].map(|index| &self.endpoints[index]);
        if second.outstanding() < first.outstanding() { second } else { first }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::routing::Routing;
    use crate::{Backend, Host, Path, Protocol, Route, RouteTable};

    fn address(port: u16) -> SocketAddr {
        ([127, 0, 0, 1], port).into()
    }

    fn routing(backends: &[(u32, &[u16])]) -> Routing {
        let backend = |(weight, ports): &(u32, &[u16])| Backend {
            name: "test".into(),
            weight: *weight,
            protocol: Protocol::Http1,
            endpoints: ports.iter().copied().map(address).collect(),
        };
        let backends = backends.iter().map(backend).collect();
        let route = Route { host: Host::Any, path: Path::Prefix("/".into()), backends };
        let table = RouteTable { routes: vec![route], certificates: vec![] };
        Routing::new(table, &Routing::default())
    }

    /// How often each port is chosen in a thousand times.
    fn check(
        backends: &[(u32, &[u16])],
        tried: &[u16],
        expected: &[(u16, std::ops::Range<usize>)],
    ) {
        let routing = routing(backends);
        let target = routing.find("x", "/").unwrap();
        let tried: Vec<_> = tried.iter().copied().map(address).collect();
        let chosen: Vec<u16> = (0..1_000)
            .filter_map(|_| target.choose(&tried).map(|(endpoint, _)| endpoint.address().port()))
            .collect();
        for (port, share) in expected {
            let count = chosen.iter().filter(|chosen| *chosen == port).count();
            assert!(share.contains(&count), "{count} times {port} with {tried:?} tried");
        }
    }

    #[test]
    fn weights_share_the_requests() {
        check(&[(90, &[1]), (10, &[2])], &[], &[(1, 800..970), (2, 30..200)]);
        check(&[(1, &[1]), (0, &[2])], &[], &[(1, 1_000..1_001), (2, 0..1)]);
    }

    #[test]
    fn a_backend_without_endpoints_bears_no_weight() {
        check(&[(99, &[]), (1, &[2])], &[], &[(2, 1_000..1_001)]);
        assert!(routing(&[(1, &[])]).find("x", "/").unwrap().choose(&[]).is_none());
    }

    #[test]
    fn endpoints_share_alike_and_those_tried_come_last() {
        check(&[(1, &[1, 2])], &[], &[(1, 350..650), (2, 350..650)]);
        check(&[(1, &[1, 2])], &[1], &[(2, 1_000..1_001)]);
        check(&[(1, &[1, 2])], &[1, 2], &[(1, 350..650)]);
    }

    #[test]
    fn an_endpoint_that_just_failed_is_avoided_while_there_are_others() {
        let routing = routing(&[(1, &[1, 2])]);
        let target = routing.find("x", "/").unwrap();
        let (failed, _) = target.choose(&[]).unwrap();
        failed.rest();
        for _ in 0..100 {
            assert_ne!(target.choose(&[]).unwrap().0.address(), failed.address());
        }
    }

    #[test]
    fn an_endpoint_stays_the_same_one_when_the_table_changes() {
        let table = |ports: &[u16]| {
            let backend = Backend {
                name: "test".into(),
                weight: 1,
                protocol: Protocol::Http1,
                endpoints: ports.iter().copied().map(address).collect(),
            };
            let path = Path::Prefix("/".into());
            let route = Route { host: Host::Any, path, backends: vec![backend] };
            RouteTable { routes: vec![route], certificates: vec![] }
        };
        let choose = |routing: &Routing| routing.find("x", "/").unwrap().choose(&[]).unwrap().0;
        let first = Routing::new(table(&[1]), &Routing::default());
        let second = Routing::new(table(&[1]), &first);
        assert!(Arc::ptr_eq(&choose(&first), &choose(&second)));
    }
}
