//! What the shop sells.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// One thing to buy.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Product {
    /// What orders name it by.
    pub id: String,
    /// What people call it.
    pub name: String,
    /// In hundredths of the currency's unit.
    pub price: u64,
    /// ISO 4217, such as EUR.
    pub currency: String,
}

/// All products, by id.
#[derive(Clone)]
pub struct Catalogue {
    products: Arc<BTreeMap<String, Product>>,
}

impl Catalogue {
    /// The last of several products with one id is kept.
    pub fn new(products: Vec<Product>) -> Self {
        let by_id = products.into_iter().map(|product| (product.id.clone(), product));
        Self { products: Arc::new(by_id.collect()) }
    }

    pub fn get(&self, id: &str) -> Option<Product> {
        self.products.get(id).cloned()
    }

    pub fn all(&self) -> Vec<Product> {
        self.products.values().cloned().collect()
    }
}
