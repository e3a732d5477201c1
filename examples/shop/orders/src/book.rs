//! The orders taken so far, in memory. That is why there is one replica of this service.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use kit::metrics::{Counter, Metrics};
use serde::{Deserialize, Serialize};

/// Older orders are forgotten.
const ORDERS_MAX: usize = 100_000;

/// An order that was paid.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Order {
    pub id: String,
    pub product_id: String,
    pub quantity: u32,
    /// In hundredths of the currency's unit.
    pub total: u64,
    pub currency: String,
    pub payment_id: String,
    pub status: Status,
}

#[derive(Clone, Copy, Debug, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    Paid,
}

/// All orders. Clones share them.
#[derive(Clone)]
pub struct Book {
    inner: Arc<Inner>,
}

struct Inner {
    /// Told apart from the orders of an earlier process by when this one began.
    began: u64,
    next: AtomicU64,
    orders: Mutex<Orders>,
    taken: Counter,
}

#[derive(Default)]
struct Orders {
    by_id: HashMap<String, Order>,
    /// Oldest first.
    ids: VecDeque<String>,
}

impl Book {
    pub fn new(metrics: &Metrics) -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let inner = Inner {
            began: now.as_secs(),
            next: AtomicU64::new(1),
            orders: Mutex::default(),
            taken: metrics.counter("orders_taken_total", "Orders taken.", &[]),
        };
        Self { inner: Arc::new(inner) }
    }

    /// A number for a new order.
    pub fn next_id(&self) -> String {
        let number = self.inner.next.fetch_add(1, Ordering::Relaxed);
        format!("{:x}-{number}", self.inner.began)
    }

    pub fn add(&self, order: Order) {
        let mut orders = self.inner.orders.lock().unwrap_or_else(PoisonError::into_inner);
        if orders.ids.len() == ORDERS_MAX
            && let Some(oldest) = orders.ids.pop_front()
        {
            orders.by_id.remove(&oldest);
        }
        orders.ids.push_back(order.id.clone());
        orders.by_id.insert(order.id.clone(), order);
        self.inner.taken.increment();
    }

    pub fn get(&self, id: &str) -> Option<Order> {
        let orders = self.inner.orders.lock().unwrap_or_else(PoisonError::into_inner);
        orders.by_id.get(id).cloned()
    }
}
