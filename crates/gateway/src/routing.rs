//! The table of routes, made for look-ups: which route is for a request, which endpoint takes it.

mod choice;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;

use crate::counters::Counters;
use crate::endpoint::Endpoint;
use crate::tls::Certificates;
use crate::{Backend, Host, Path, Protocol, Route, RouteCounts, RouteTable};

/// Endpoints and counters that are in the table before and after a change stay the same ones.
#[derive(Default)]
pub(crate) struct Routing {
    exact: HashMap<String, Vec<Rule>>,
    wildcard: HashMap<String, Vec<Rule>>,
    any: Vec<Rule>,
    endpoints: HashMap<(SocketAddr, Protocol), Arc<Endpoint>>,
    counters: HashMap<(Host, Path), Arc<Counters>>,
    pub certificates: Certificates,
}

struct Rule {
    path: Path,
    target: Target,
}

/// Where a route leads.
pub(crate) struct Target {
    pub counters: Arc<Counters>,
    backends: Vec<Pool>,
}

struct Pool {
    weight: u32,
    endpoints: Vec<Arc<Endpoint>>,
}

impl Routing {
    pub fn new(table: RouteTable, before: &Routing) -> Routing {
        let mut routing = Routing::default();
        for route in table.routes {
            routing.add(route, before);
        }
        let hosts = routing.exact.values_mut().chain(routing.wildcard.values_mut());
        for rules in hosts.chain([&mut routing.any]) {
            rules.sort_by_key(|rule| std::cmp::Reverse(rule.precedence()));
        }
        routing.certificates = Certificates::new(table.certificates);
        routing
    }

    fn add(&mut self, route: Route, before: &Routing) {
        let key = (route.host.clone(), route.path.clone());
        let counters = before.counters.get(&key).cloned();
        let counters = counters.unwrap_or_else(|| {
            Arc::new(Counters::new(route.host.to_string(), route.path.to_string()))
        });
        self.counters.insert(key, counters.clone());
        let backends = route.backends.iter().map(|backend| self.pool(backend, before)).collect();
        let rule = Rule { path: normal(route.path), target: Target { counters, backends } };
        let rules = match route.host {
            Host::Any => &mut self.any,
            Host::Exact(host) => self.exact.entry(host.to_ascii_lowercase()).or_default(),
            Host::Wildcard(suffix) => self.wildcard.entry(suffix.to_ascii_lowercase()).or_default(),
        };
        rules.push(rule);
    }

    fn pool(&mut self, backend: &Backend, before: &Routing) -> Pool {
        let mut endpoint = |address: &SocketAddr| {
            let key = (*address, backend.protocol);
            let known = || before.endpoints.get(&key).cloned();
            let new = || Arc::new(Endpoint::new(*address, backend.protocol));
            let endpoint = self.endpoints.entry(key);
            endpoint.or_insert_with(|| known().unwrap_or_else(new)).clone()
        };
        let endpoints = backend.endpoints.iter().map(&mut endpoint).collect();
        Pool { weight: backend.weight, endpoints }
    }

    /// The route for a host (in lower case, without port) and a path.
    pub fn find(&self, host: &str, path: &str) -> Option<&Target> {
        let wildcard = || host.split_once('.').and_then(|(_, suffix)| self.wildcard.get(suffix));
        let in_rules = |rules: &'_ Vec<Rule>| rules.iter().position(|rule| rule.is_for(path));
        let found = |rules| in_rules(rules).map(|index| &rules[index].target);
        let exact = self.exact.get(host).and_then(found);
        exact.or_else(|| wildcard().and_then(found)).or_else(|| found(&self.any))
    }

    pub fn has(&self, endpoint: &Endpoint) -> bool {
        self.endpoints.contains_key(&(endpoint.address(), endpoint.protocol()))
    }

    /// Every endpoint in the table.
    pub fn endpoints(&self) -> impl Iterator<Item = &Arc<Endpoint>> {
        self.endpoints.values()
    }

    pub fn counts(&self) -> Vec<RouteCounts> {
        let mut counts: Vec<_> = self.counters.values().map(|counters| counters.read()).collect();
        counts.sort_by(|a, b| (&a.host, &a.path).cmp(&(&b.host, &b.path)));
        counts
    }
}

/// A slash at the end of a prefix says nothing.
fn normal(path: Path) -> Path {
    match path {
        Path::Prefix(prefix) => Path::Prefix(prefix.trim_end_matches('/').to_owned()),
        exact @ Path::Exact(_) => exact,
    }
}

impl Rule {
    fn precedence(&self) -> (usize, bool) {
        match &self.path {
            Path::Exact(path) => (path.len(), true),
            Path::Prefix(path) => (path.len(), false),
        }
    }

    fn is_for(&self, path: &str) -> bool {
        match &self.path {
            Path::Exact(exact) => path == exact,
            Path::Prefix(prefix) => path
                .strip_prefix(prefix.as_str())
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/')),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Routes as `host path`, with `=` before an exact path; the request as `host path`. The
    /// answer is the route taken.
    fn check(routes: &[&str], request: &str, expected: &str) {
        let parse = |text: &str| {
            let (host, path) = text.split_once(' ').unwrap();
            let path = match path.strip_prefix('=') {
                Some(exact) => Path::Exact(exact.to_owned()),
                None => Path::Prefix(path.to_owned()),
            };
            Route { host: Host::parse(host), path, backends: vec![] }
        };
        let routes = routes.iter().map(|text| parse(text)).collect();
        let table = RouteTable { routes, certificates: vec![] };
        let routing = Routing::new(table, &Routing::default());
        let (host, path) = request.split_once(' ').unwrap();
        let found = routing.find(host, path).map(|target| target.counters.read());
        let found = found.map(|counts| format!("{} {}", counts.host, counts.path));
        assert_eq!(found.as_deref().unwrap_or("none"), expected, "{request}");
    }

    #[test]
    fn a_prefix_is_for_whole_path_elements() {
        for (path, expected) in [
            ("/a", "* /a"),
            ("/a/", "* /a"),
            ("/a/b", "* /a"),
            ("/ab", "none"),
            ("/A", "none"),
            ("/", "none"),
        ] {
            check(&["* /a"], &format!("x {path}"), expected);
        }
        check(&["* /a/"], "x /a", "* /a/");
        check(&["* /a/"], "x /a/b", "* /a/");
        check(&["* /a/"], "x /ab", "none");
        check(&["* /"], "x /anything", "* /");
    }

    #[test]
    fn an_exact_path_is_for_itself_only() {
        check(&["* =/a"], "x /a", "* =/a");
        check(&["* =/a"], "x /a/", "none");
        check(&["* =/a"], "x /a/b", "none");
        check(&["* =/a/"], "x /a", "none");
    }

    #[test]
    fn the_longest_path_wins_and_exact_before_prefix() {
        let routes = ["* /", "* /a", "* /a/b", "* =/a", "* =/a/b/c"];
        check(&routes, "x /a", "* =/a");
        check(&routes, "x /a/x", "* /a");
        check(&routes, "x /a/b", "* /a/b");
        check(&routes, "x /a/b/c", "* =/a/b/c");
        check(&routes, "x /a/b/c/d", "* /a/b");
        check(&routes, "x /z", "* /");
    }

    #[test]
    fn an_exact_host_comes_before_a_wildcard_and_that_before_any() {
        let routes = ["shop.example /", "*.example /", "* /", "*.example /deep"];
        check(&routes, "shop.example /deep", "shop.example /");
        check(&routes, "other.example /x", "*.example /");
        check(&routes, "other.example /deep", "*.example /deep");
        check(&routes, "elsewhere /x", "* /");
        check(&["Shop.Example /"], "shop.example /", "shop.example /");
    }

    #[test]
    fn a_wildcard_stands_for_exactly_one_label() {
        check(&["*.foo.com /"], "bar.foo.com /", "*.foo.com /");
        check(&["*.foo.com /"], "baz.bar.foo.com /", "none");
        check(&["*.foo.com /"], "foo.com /", "none");
    }

    #[test]
    fn a_path_the_specific_host_has_not_goes_on_to_the_less_specific() {
        let routes = ["shop.example /api", "*.example /web", "* /"];
        check(&routes, "shop.example /web/x", "*.example /web");
        check(&routes, "shop.example /other", "* /");
    }
}
