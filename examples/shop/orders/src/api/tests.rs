use axum::body::{Body, to_bytes};
use axum::http::Request;
use kit::Service;
use kit::metrics::Metrics;
use kit::serve::Stop;
use payments_api::{ChargeRequest, Payment, PaymentsServer};
use tokio::net::TcpListener;
use tower::ServiceExt;

use super::*;

struct Bank;

#[tonic::async_trait]
impl payments_api::Payments for Bank {
    async fn charge(
        &self,
        request: tonic::Request<ChargeRequest>,
    ) -> Result<tonic::Response<Payment>, tonic::Status> {
        assert!(request.metadata().contains_key("traceparent"));
        let ChargeRequest { order_id, amount, currency } = request.into_inner();
        if amount > 1000 {
            return Err(tonic::Status::failed_precondition("too much"));
        }
        Ok(tonic::Response::new(Payment { id: format!("pay-{order_id}"), amount, currency }))
    }
}

/// Serves on a port of its own, as long as the test's runtime lives.
async fn serve(service: Service) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(service.without_request_log().serve(listener, Stop::default()));
    url
}

async fn catalogue() -> String {
    let one = async |Path(id): Path<String>| match id.as_str() {
        "1" => Ok(Json(json!({"id": "1", "name": "Tea", "price": 450, "currency": "EUR"}))),
        _ => Err(Error::not_found("unknown_product", "no")),
    };
    serve(Service::new("products").routes(Router::new().route("/api/v1/products/{id}", get(one))))
        .await
}

async fn bank() -> String {
    serve(Service::new("payments").grpc(payments_api::SERVICE, PaymentsServer::new(Bank))).await
}

/// Where nobody listens.
async fn nowhere() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

fn shop(products: String, payments: &str) -> Router {
    let shop = Shop {
        products: Products::new(products),
        payments: Payments::new(payments).unwrap(),
        book: Book::new(&Metrics::default()),
        quantity_max: 100,
    };
    Service::new("orders").without_request_log().routes(routes(shop)).into_router()
}

async fn send(app: &Router, request: Request<Body>) -> (u16, Value) {
    let response = app.clone().oneshot(request).await.unwrap();
    let status = response.status().as_u16();
    let body = to_bytes(response.into_body(), 1 << 16).await.unwrap();
    (status, serde_json::from_slice(&body).unwrap())
}

async fn post_order(app: &Router, body: Value) -> (u16, Value) {
    let request = Request::post("/api/v1/orders").header("content-type", "application/json");
    send(app, request.body(Body::from(body.to_string())).unwrap()).await
}

async fn get_path(app: &Router, path: &str) -> (u16, Value) {
    send(app, Request::get(path).body(Body::empty()).unwrap()).await
}

async fn check_refused(app: &Router, body: Value, expected: (u16, &str)) {
    let (status, answer) = post_order(app, body).await;
    assert_eq!((status, answer["code"].as_str().unwrap()), expected, "{answer}");
    assert!(answer["message"].is_string());
}

#[tokio::test]
async fn an_order_is_looked_up_paid_and_read_back() {
    let app = shop(catalogue().await, &bank().await);
    let (status, order) = post_order(&app, json!({"productId": "1", "quantity": 2})).await;
    assert_eq!(status, 201, "{order}");
    let id = order["id"].as_str().unwrap();
    let expected = json!({"id": id, "productId": "1", "quantity": 2, "total": 900,
        "currency": "EUR", "paymentId": format!("pay-{id}"), "status": "paid"});
    assert_eq!(order, expected);
    assert_eq!(get_path(&app, &format!("/api/v1/orders/{id}")).await, (200, expected));
    assert_eq!(get_path(&app, "/api/v1/orders/none").await.0, 404);
    assert_eq!(get_path(&app, "/").await.0, 200);
}

#[tokio::test]
async fn orders_that_cannot_be_right_are_refused() {
    let app = shop(catalogue().await, &bank().await);
    for quantity in [0, -1, 101, i64::MAX] {
        let body = json!({"productId": "1", "quantity": quantity});
        check_refused(&app, body, (400, "bad_quantity")).await;
    }
    check_refused(&app, json!({"productId": "1"}), (400, "invalid_body")).await;
    check_refused(&app, json!({"productId": "7", "quantity": 1}), (404, "unknown_product")).await;
    let sly = json!({"productId": "1/../2?", "quantity": 1});
    check_refused(&app, sly, (404, "unknown_product")).await;
    check_refused(&app, json!({"productId": "1", "quantity": 3}), (409, "payment_refused")).await;
}

#[tokio::test]
async fn a_service_that_is_down_makes_orders_unavailable() {
    let order = json!({"productId": "1", "quantity": 1});
    let app = shop(nowhere().await, &bank().await);
    check_refused(&app, order.clone(), (503, "products_unavailable")).await;
    let app = shop(catalogue().await, &nowhere().await);
    check_refused(&app, order, (503, "payments_unavailable")).await;
}
