//! The routes.

use axum::Router;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use http::StatusCode;
use http::header::LOCATION;
use kit::{Error, Json};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::book::{Book, Order, Status};
use crate::payments::Payments;
use crate::products::Products;

#[derive(Clone)]
pub struct Shop {
    pub products: Products,
    pub payments: Payments,
    pub book: Book,
    pub quantity_max: u32,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct NewOrder {
    product_id: String,
    quantity: i64,
}

pub fn routes(shop: Shop) -> Router {
    Router::new()
        .route("/", get(welcome))
        .route("/api/v1/orders", post(order))
        .route("/api/v1/orders/{id}", get(one))
        .with_state(shop)
}

/// What there is to see, for a person who opens the shop's URL.
async fn welcome() -> Json<Value> {
    Json(json!({
        "shop": "GET /api/v1/products lists what there is",
        "order": "POST /api/v1/orders with {\"productId\": \"1\", \"quantity\": 1}",
        "look": "GET /api/v1/orders/{id}",
    }))
}

async fn order(State(shop): State<Shop>, Json(new): Json<NewOrder>) -> Result<Response, Error> {
    let quantity = quantity(new.quantity, shop.quantity_max)?;
    let product = shop.products.get(&new.product_id).await?;
    let total = product.price.checked_mul(quantity.into()).ok_or_else(too_dear)?;
    let id = shop.book.next_id();
    let payment = shop.payments.charge(&id, total, &product.currency).await?;
    let order = Order {
        id,
        product_id: new.product_id,
        quantity,
        total,
        currency: payment.currency,
        payment_id: payment.id,
        status: Status::Paid,
    };
    shop.book.add(order.clone());
    let location = format!("/api/v1/orders/{}", order.id);
    Ok((StatusCode::CREATED, [(LOCATION, location)], Json(order)).into_response())
}

async fn one(State(shop): State<Shop>, Path(id): Path<String>) -> Result<Json<Order>, Error> {
    let unknown = || Error::not_found("unknown_order", format!("there is no order {id}"));
    shop.book.get(&id).map(Json).ok_or_else(unknown)
}

fn quantity(wanted: i64, max: u32) -> Result<u32, Error> {
    match u32::try_from(wanted) {
        Ok(quantity) if (1..=max).contains(&quantity) => Ok(quantity),
        _ => {
            let message = format!("the quantity must be between 1 and {max}, not {wanted}");
            Err(Error::bad_request("bad_quantity", message)
                .with_data(json!({"min": 1, "max": max})))
        }
    }
}

fn too_dear() -> Error {
    Error::bad_request("bad_quantity", "nobody has that much money")
}

#[cfg(test)]
mod tests;
