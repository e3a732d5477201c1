//! The network of one box: pod links, L4 balancing by nftables, DNS, from plain tables.
