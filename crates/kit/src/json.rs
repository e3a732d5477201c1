//! JSON bodies whose errors have the service's own shape.

use axum::extract::rejection::JsonRejection;
use axum::extract::{FromRequest, Request};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::Error;

/// A JSON request body or response, as axum's; what cannot be read is answered with an [`Error`].
#[derive(Clone, Copy, Debug, Default)]
pub struct Json<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Json<T> {
    type Rejection = Error;

    async fn from_request(request: Request, state: &S) -> Result<Self, Error> {
        let parsed = axum::Json::<T>::from_request(request, state).await;
        parsed.map(|axum::Json(value)| Self(value)).map_err(|rejection| refused(&rejection))
    }
}

fn refused(rejection: &JsonRejection) -> Error {
    let code = match rejection {
        JsonRejection::JsonDataError(_) => "invalid_body",
        JsonRejection::JsonSyntaxError(_) => "invalid_json",
        JsonRejection::MissingJsonContentType(_) => "unsupported_media_type",
        _ => "unreadable_body",
    };
    // axum says 422 where the JSON is fine and its content is not; both are the client's mistake.
    let status = match rejection.status() {
        http::StatusCode::UNPROCESSABLE_ENTITY => http::StatusCode::BAD_REQUEST,
        other => other,
    };
    Error::new(status, code, rejection.body_text())
}

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        axum::Json(self.0).into_response()
    }
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use http::Request;

    use super::*;

    async fn check(media_type: &str, body: &'static str, expected: (u16, &str)) {
        let request = Request::post("/").header("content-type", media_type).body(Body::from(body));
        let error = Json::<Vec<u32>>::from_request(request.unwrap(), &()).await.unwrap_err();
        assert_eq!((error.status().as_u16(), error.code()), expected);
    }

    #[tokio::test]
    async fn bodies_that_cannot_be_read_are_answered_in_the_service_s_shape() {
        check("application/json", "[1,", (400, "invalid_json")).await;
        check("application/json", "[\"x\"]", (400, "invalid_body")).await;
        check("text/plain", "[1]", (415, "unsupported_media_type")).await;
    }
}
