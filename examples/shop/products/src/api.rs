//! The routes.

use axum::Router;
use axum::extract::{Path, State};
use axum::routing::get;
use kit::{Error, Json};

use crate::catalogue::{Catalogue, Product};

pub fn routes(catalogue: Catalogue) -> Router {
    Router::new()
        .route("/api/v1/products", get(list))
        .route("/api/v1/products/{id}", get(one))
        .with_state(catalogue)
}

async fn list(State(catalogue): State<Catalogue>) -> Json<Vec<Product>> {
    Json(catalogue.all())
}

async fn one(
    State(catalogue): State<Catalogue>,
    Path(id): Path<String>,
) -> Result<Json<Product>, Error> {
    let unknown = || Error::not_found("unknown_product", format!("there is no product {id}"));
    catalogue.get(&id).map(Json).ok_or_else(unknown)
}

#[cfg(test)]
mod tests {
    use axum::body::{Body, to_bytes};
    use axum::http::Request;
    use serde_json::{Value, json};
    use tower::ServiceExt;

    use super::*;

    async fn check(path: &str, status: u16, expected: Value) {
        let tea =
            Product { id: "1".into(), name: "Tea".into(), price: 450, currency: "EUR".into() };
        let request = Request::get(path).body(Body::empty()).unwrap();
        let response = routes(Catalogue::new(vec![tea])).oneshot(request).await.unwrap();
        assert_eq!(response.status(), status);
        let body = to_bytes(response.into_body(), 1 << 16).await.unwrap();
        assert_eq!(serde_json::from_slice::<Value>(&body).unwrap(), expected);
    }

    #[tokio::test]
    async fn products_are_listed_and_found_by_id() {
        let tea = json!({"id": "1", "name": "Tea", "price": 450, "currency": "EUR"});
        check("/api/v1/products/1", 200, tea.clone()).await;
        check("/api/v1/products", 200, json!([tea])).await;
    }

    #[tokio::test]
    async fn an_unknown_product_is_not_found() {
        let data = Value::Null;
        let message = "there is no product 7";
        let expected = json!({"code": "unknown_product", "message": message, "data": data});
        check("/api/v1/products/7", 404, expected).await;
    }
}
