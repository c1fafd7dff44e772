//! GitHub's SDK over our own way out: what it sends goes through the same limits as everything else.
//!
//! The SDK describes requests and holds credentials: the App's key, and the tokens of its installations. Its own HTTP
//! client is not built in: that one repeats writes, follows redirects, and reads answers of any size.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use http::{HeaderName, HeaderValue, Uri, header};
use octocrab::{
    AuthState, OctoBody, Octocrab, OctocrabBuilder,
    service::middleware::{base_uri::BaseUriLayer, extra_headers::ExtraHeadersLayer},
};
use tower::Service;

use crate::forge::calls::Outgoing;

/// The version of the API that we speak: <https://docs.github.com/rest/about-the-rest-api/api-versions>.
const API_VERSION: HeaderValue = HeaderValue::from_static("2022-11-28");
/// The media type that the API asks for.
const MEDIA_TYPE: HeaderValue = HeaderValue::from_static("application/vnd.github+json");

/// Returns the SDK with a credential for the API at `base`. Must be called inside a Tokio runtime.
pub(super) fn sdk(base: Uri, auth: AuthState, outgoing: Outgoing) -> Octocrab {
    let headers = vec![(header::ACCEPT, MEDIA_TYPE), (HeaderName::from_static("x-github-api-version"), API_VERSION)];
    let built = OctocrabBuilder::new_empty()
        .with_service(Carrier(outgoing))
        .with_layer(&ExtraHeadersLayer::new(Arc::new(headers)))
        .with_layer(&BaseUriLayer::new(base))
        .with_auth(auth)
        .build();
    match built {
        Ok(octocrab) => octocrab,
        Err(never) => match never {},
    }
}

/// Carries the SDK's requests.
#[derive(Clone)]
struct Carrier(Outgoing);

impl Service<http::Request<OctoBody>> for Carrier {
    type Response = http::Response<OctoBody>;
    type Error = anyhow::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<OctoBody>) -> Self::Future {
        let outgoing = self.0.clone();
        Box::pin(async move {
            let (status, headers, body) = outgoing.exchange(request.map(reqwest::Body::wrap)).await?;
            let mut response = http::Response::new(OctoBody::from(body));
            *response.status_mut() = status;
            *response.headers_mut() = headers;
            Ok(response)
        })
    }
}
