//! What mutations make: a configuration to be applied, or a patch.

use cel::{Map, Value};
use serde_json::{Value as Json, json};

use super::evaluate::{Purse, fields, items};
use super::expression::Expression;
use super::{Expressions, Inputs};

/// What a mutation does to an object.
#[derive(Debug, Clone, PartialEq)]
pub enum Patch {
    /// To be merged into the object.
    Configuration(Json),
    /// JSON patch operations.
    Operations(Json),
}

impl Expressions {
    /// What a mutation, by its number, does to the object of this write.
    pub fn mutate(&self, index: usize, inputs: &Inputs<'_>) -> Result<Patch, String> {
        let expression: &Expression = &self.mutations[index];
        let variables = self.variables(inputs);
        let value = Purse::for_policy().evaluate(expression, &variables);
        let value = value.map_err(super::evaluate::Failed::text)?;
        if matches!(value, Value::List(_)) {
            return operations(value).map(Patch::Operations);
        }
        let configuration = value.to_json();
        let configuration = configuration.filter(Json::is_object).ok_or_else(|| {
            format!(
                "unsupported return type from ApplyConfiguration expression: {}",
                value.kind_name()
            )
        })?;
        Ok(Patch::Configuration(configuration))
    }
}

fn operations(value: Value<'_>) -> Result<Json, String> {
    const MISMATCH: &str =
        "type mismatch: JSONPatchType.expression should evaluate to array of JSONPatch";
    let list = items(value).ok_or(MISMATCH)?;
    let mut all = Vec::with_capacity(list.len());
    for item in list.iter() {
        let operation = fields(item).ok_or(MISMATCH)?;
        all.push(operation_of(&operation)?);
    }
    Ok(all.into())
}

fn operation_of(operation: &Map<'_>) -> Result<Json, String> {
    let text = |field: &str| {
        let value = operation.field(field);
        value.and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
    };
    let mut patch = json!({"op": text("op"), "path": text("path")});
    let from = text("from");
    if !from.is_empty() {
        patch["from"] = from.into();
    }
    if let Some(value) = operation.field("value") {
        let why = "JSONPath valueExpression evaluated to a type that could not marshal to JSON";
        patch["value"] = value.to_json().ok_or(why)?;
    }
    Ok(patch)
}
