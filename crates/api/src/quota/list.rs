//! Amounts by resource name.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::{Map, Value};

use crate::Quantity;

/// Amounts by resource name, in the order of the names. Shown as `cpu=1,memory=2Gi`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ResourceList(BTreeMap<String, Quantity>);

impl ResourceList {
    /// From an object's field. What is no quantity is left out: validation has refused it.
    pub fn read(field: &Value) -> Self {
        let entries = field.as_object().into_iter().flatten();
        let amounts = entries
            .filter_map(|(name, amount)| Some((name.clone(), Quantity::from_value(amount).ok()?)));
        Self(amounts.collect())
    }

    /// As an object's field.
    pub fn to_value(&self) -> Value {
        let entries = self.0.iter().map(|(name, amount)| (name.clone(), amount.to_string().into()));
        Value::Object(entries.collect::<Map<_, _>>())
    }

    /// The amount of a resource, if it is named.
    pub fn get(&self, name: &str) -> Option<Quantity> {
        self.0.get(name).copied()
    }

    /// Sets the amount of a resource.
    pub fn set(&mut self, name: impl Into<String>, amount: Quantity) {
        self.0.insert(name.into(), amount);
    }

    /// Sets the amount of a resource that is named in neither way, or less than this.
    pub fn raise(&mut self, other: &Self) {
        for (name, amount) in &other.0 {
            if self.get(name).is_none_or(|have| have < *amount) {
                self.set(name, *amount);
            }
        }
    }

    /// Adds all amounts of another list.
    pub fn add(&mut self, other: &Self) {
        for (name, amount) in &other.0 {
            let sum = self.get(name).unwrap_or_default() + *amount;
            self.set(name, sum);
        }
    }

    /// What of this is more than in another list; nothing below zero.
    pub fn beyond(&self, other: &Self) -> Self {
        let rest = |name: &str, amount: Quantity| {
            let rest = amount - other.get(name).unwrap_or_default();
            if rest.is_negative() { Quantity::ZERO } else { rest }
        };
        Self(self.0.iter().map(|(name, amount)| (name.clone(), rest(name, *amount))).collect())
    }

    /// Only the entries that hold.
    pub fn filter(&self, holds: impl Fn(&str, Quantity) -> bool) -> Self {
        let held = self.0.iter().filter(|(name, amount)| holds(name, **amount));
        Self(held.map(|(name, amount)| (name.clone(), *amount)).collect())
    }

    /// The names.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// Names and amounts.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Quantity)> {
        self.0.iter().map(|(name, amount)| (name.as_str(), *amount))
    }

    /// Is there no entry?
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for ResourceList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, (name, amount)) in self.0.iter().enumerate() {
            let comma = if at == 0 { "" } else { "," };
            write!(f, "{comma}{name}={amount}")?;
        }
        Ok(())
    }
}
