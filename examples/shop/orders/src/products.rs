//! The products service, by HTTP.

use http::StatusCode;
use kit::Error;
use kit::client::Client;
use serde::Deserialize;

/// What an order needs to know of a product.
#[derive(Debug, Deserialize)]
pub struct Product {
    pub price: u64,
    pub currency: String,
}

#[derive(Clone)]
pub struct Products {
    client: Client,
    url: String,
}

impl Products {
    pub fn new(url: String) -> Self {
        Self { client: Client::new(), url: url.trim_end_matches('/').to_owned() }
    }

    pub async fn get(&self, id: &str) -> Result<Product, Error> {
        // An id with a slash or a question mark would ask for something else.
        if id.is_empty() || !id.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b)) {
            return Err(unknown(id));
        }
        let url = format!("{}/api/v1/products/{id}", self.url);
        self.client.get(&url).await.map_err(|error| match error.status() {
            Some(StatusCode::NOT_FOUND) => unknown(id),
            _ => {
                let message = "the products cannot be looked up now; try again";
                Error::unavailable("products_unavailable", message).caused_by(&error)
            }
        })
    }
}

fn unknown(id: &str) -> Error {
    Error::not_found("unknown_product", format!("there is no product `{id}`"))
}
