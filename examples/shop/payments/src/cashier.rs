//! The bank's counter: it keeps no books, because a payment's id follows from its order.

use std::hash::{DefaultHasher, Hash, Hasher};

use kit::metrics::Counter;
use payments_api::{ChargeRequest, Payment, Payments};
use tonic::{Request, Response, Status};

pub struct Cashier {
    key: String,
    amount_max: u64,
    taken: Counter,
}

impl Cashier {
    pub fn new(key: String, amount_max: u64, taken: Counter) -> Self {
        Self { key, amount_max, taken }
    }

    /// The same for every repetition of a call, on every replica.
    fn payment_id(&self, order_id: &str) -> String {
        let mut hasher = DefaultHasher::new();
        (&self.key, order_id).hash(&mut hasher);
        format!("pay-{:016x}", hasher.finish())
    }
}

#[tonic::async_trait]
impl Payments for Cashier {
    async fn charge(&self, request: Request<ChargeRequest>) -> Result<Response<Payment>, Status> {
        let ChargeRequest { order_id, amount, currency } = request.into_inner();
        if order_id.is_empty() || amount == 0 || currency.is_empty() {
            let missing = "a payment needs an order, an amount above zero and a currency";
            return Err(Status::invalid_argument(missing));
        }
        if amount > self.amount_max {
            let limit = self.amount_max;
            let refused = format!("{amount} is more than the {limit} that are taken at once");
            return Err(Status::failed_precondition(refused));
        }
        self.taken.increment();
        Ok(Response::new(Payment { id: self.payment_id(&order_id), amount, currency }))
    }
}

#[cfg(test)]
mod tests {
    use tonic::Code;

    use super::*;

    async fn charge(order_id: &str, amount: u64) -> Result<Payment, Code> {
        let cashier = Cashier::new("key".into(), 1000, Counter::default());
        let request = ChargeRequest { order_id: order_id.into(), amount, currency: "EUR".into() };
        let answer = cashier.charge(Request::new(request)).await;
        answer.map(Response::into_inner).map_err(|status| status.code())
    }

    #[tokio::test]
    async fn the_same_order_gives_the_same_payment() {
        let first = charge("o-1", 450).await.unwrap();
        assert_eq!(charge("o-1", 450).await.unwrap(), first);
        assert_ne!(charge("o-2", 450).await.unwrap().id, first.id);
        assert_eq!((first.amount, first.currency.as_str()), (450, "EUR"));
    }

    #[tokio::test]
    async fn payments_without_an_order_or_an_amount_and_too_large_ones_are_refused() {
        assert_eq!(charge("", 450).await, Err(Code::InvalidArgument));
        assert_eq!(charge("o-1", 0).await, Err(Code::InvalidArgument));
        assert_eq!(charge("o-1", 1001).await, Err(Code::FailedPrecondition));
    }
}
