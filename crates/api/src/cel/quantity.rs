//! Quantities in expressions: `quantity('1Gi').isGreaterThan(quantity('1G'))`.

use std::any::Any;

use ::cel::{Budget, EvalError, Library, Opaque, Value};

use crate::quantity::{Quantity, QuantityError};

type Result<'a> = std::result::Result<Value<'a>, EvalError>;

pub(super) const LIBRARY: Library = Library {
    declarations: "\
quantity: (string) -> kubernetes.Quantity
isQuantity: (string) -> bool
sign: kubernetes.Quantity.() -> int
isInteger: kubernetes.Quantity.() -> bool
asInteger: kubernetes.Quantity.() -> int
asApproximateFloat: kubernetes.Quantity.() -> double
isGreaterThan: kubernetes.Quantity.(kubernetes.Quantity) -> bool
isLessThan: kubernetes.Quantity.(kubernetes.Quantity) -> bool
compareTo: kubernetes.Quantity.(kubernetes.Quantity) -> int
add: kubernetes.Quantity.(kubernetes.Quantity) -> kubernetes.Quantity
add: kubernetes.Quantity.(int) -> kubernetes.Quantity
sub: kubernetes.Quantity.(kubernetes.Quantity) -> kubernetes.Quantity
sub: kubernetes.Quantity.(int) -> kubernetes.Quantity
",
    functions: &[
        ("quantity", quantity),
        ("isQuantity", is_quantity),
        ("sign", sign),
        ("isInteger", is_integer),
        ("asInteger", as_integer),
        ("asApproximateFloat", as_float),
        ("isGreaterThan", is_greater),
        ("isLessThan", is_less),
        ("compareTo", compare),
        ("add", add),
        ("sub", sub),
    ],
};

#[derive(Debug, Clone, Copy)]
struct Amount(Quantity);

impl Opaque for Amount {
    fn kind(&self) -> &'static str {
        "kubernetes.Quantity"
    }

    fn equals(&self, other: &dyn Opaque) -> bool {
        let other = other.as_any().downcast_ref::<Self>();
        other.is_some_and(|other| self.0.cmp(&other.0).is_eq())
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

fn quantity<'a>(args: &[Value<'a>], budget: &mut Budget) -> Result<'a> {
    let [Value::String(text)] = args else { return Err(EvalError::no_overload()) };
    budget.work(text.as_str().len() as u64)?;
    let amount: std::result::Result<Quantity, QuantityError> = text.as_str().parse();
    let amount = amount.map_err(|error| EvalError::new(error.to_string()))?;
    Ok(Value::opaque(Amount(amount)))
}

fn is_quantity<'a>(args: &[Value<'a>], budget: &mut Budget) -> Result<'a> {
    let [Value::String(text)] = args else { return Err(EvalError::no_overload()) };
    budget.work(text.as_str().len() as u64)?;
    Ok(Value::Bool(text.as_str().parse::<Quantity>().is_ok()))
}

fn one(args: &[Value<'_>]) -> std::result::Result<Quantity, EvalError> {
    let amount = args.first().and_then(|value| value.as_opaque::<Amount>());
    amount.map(|amount| amount.0).ok_or_else(EvalError::no_overload)
}

/// The quantity a function is called on, and its argument, which may be a whole number.
fn two(args: &[Value<'_>]) -> std::result::Result<(Quantity, Quantity), EvalError> {
    let other = match args.get(1) {
        Some(Value::Int(number)) => Quantity::units(*number),
        _ => one(args.get(1..).unwrap_or_default())?,
    };
    Ok((one(args)?, other))
}

fn sign<'a>(args: &[Value<'a>], _: &mut Budget) -> Result<'a> {
    one(args).map(|amount| Value::Int(amount.cmp(&Quantity::ZERO) as i64))
}

fn is_integer<'a>(args: &[Value<'a>], _: &mut Budget) -> Result<'a> {
    one(args).map(|amount| Value::Bool(amount.is_whole()))
}

fn as_integer<'a>(args: &[Value<'a>], _: &mut Budget) -> Result<'a> {
    let amount = one(args)?;
    match amount.is_whole() {
        true => Ok(Value::Int(amount.value())),
        false => Err(EvalError::new("cannot convert value to integer")),
    }
}

fn as_float<'a>(args: &[Value<'a>], _: &mut Budget) -> Result<'a> {
    one(args).map(|amount| Value::Double(amount.as_f64()))
}

fn is_greater<'a>(args: &[Value<'a>], _: &mut Budget) -> Result<'a> {
    two(args).map(|(a, b)| Value::Bool(a.cmp(&b).is_gt()))
}

fn is_less<'a>(args: &[Value<'a>], _: &mut Budget) -> Result<'a> {
    two(args).map(|(a, b)| Value::Bool(a.cmp(&b).is_lt()))
}

fn compare<'a>(args: &[Value<'a>], _: &mut Budget) -> Result<'a> {
    two(args).map(|(a, b)| Value::Int(a.cmp(&b) as i64))
}

fn add<'a>(args: &[Value<'a>], _: &mut Budget) -> Result<'a> {
    two(args).map(|(a, b)| Value::opaque(Amount(a + b)))
}

fn sub<'a>(args: &[Value<'a>], _: &mut Budget) -> Result<'a> {
    two(args).map(|(a, b)| Value::opaque(Amount(a - b)))
}
