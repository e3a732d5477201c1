//! The payments service, by gRPC.

use std::time::Duration;

use http::Uri;
use kit::Error;
use kit::client::Grpc;
use payments_api::{ChargeRequest, Payment, PaymentsClient};
use tonic::body::Body;
use tonic::{Code, Status};

/// Of each attempt.
const TIMEOUT: Duration = Duration::from_secs(5);
/// Charging is harmless to repeat: the order's id makes it the same payment.
const ATTEMPTS_MAX: u32 = 4;
const RETRY_WAIT: Duration = Duration::from_millis(25);

#[derive(Debug, thiserror::Error)]
#[error("`{url}` is not the URL of a payments service")]
pub struct UrlError {
    url: String,
    source: http::uri::InvalidUri,
}

#[derive(Clone)]
pub struct Payments {
    client: PaymentsClient<Grpc<Body>>,
}

impl Payments {
    pub fn new(url: &str) -> Result<Self, UrlError> {
        let origin: Uri = url.parse().map_err(|source| UrlError { url: url.to_owned(), source })?;
        Ok(Self { client: PaymentsClient::with_origin(Grpc::new(), origin) })
    }

    pub async fn charge(
        &self,
        order_id: &str,
        amount: u64,
        currency: &str,
    ) -> Result<Payment, Error> {
        let (order_id, currency) = (order_id.to_owned(), currency.to_owned());
        let request = ChargeRequest { order_id, amount, currency };
        let mut wait = RETRY_WAIT;
        let mut attempt = 1;
        loop {
            match self.attempt(&request).await {
                Ok(payment) => return Ok(payment),
                Err(status) if attempt == ATTEMPTS_MAX || !may_pass(&status) => {
                    return Err(refused(&status));
                }
                Err(_) => {}
            }
            tokio::time::sleep(wait).await;
            wait *= 2;
            attempt += 1;
        }
    }

    async fn attempt(&self, request: &ChargeRequest) -> Result<Payment, Status> {
        let mut client = self.client.clone();
        match tokio::time::timeout(TIMEOUT, client.charge(request.clone())).await {
            Ok(answer) => answer.map(tonic::Response::into_inner),
            Err(_) => Err(Status::deadline_exceeded(format!("no answer within {TIMEOUT:?}"))),
        }
    }
}

/// What a broken connection looks like, among others.
fn may_pass(status: &Status) -> bool {
    matches!(status.code(), Code::Unavailable | Code::Unknown | Code::Cancelled | Code::Internal)
}

fn refused(status: &Status) -> Error {
    match status.code() {
        Code::FailedPrecondition | Code::InvalidArgument => {
            Error::conflict("payment_refused", status.message())
        }
        _ => {
            let message = "the payment cannot be taken now; try again";
            Error::unavailable("payments_unavailable", message).caused_by(status)
        }
    }
}
