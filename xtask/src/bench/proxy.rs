//! The bare proxy: hyper server, pooled client, bytes unchanged. What a gateway that checks nothing costs.
//!
//! Must never look into a body.

use std::convert::Infallible;
use std::net::SocketAddr;

use bytes::Bytes;
use http_body_util::{Either, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode, Uri};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

use crate::bench::client::loopback;
use crate::bench::serve::{Listen, serve};

type Forwarder = Client<HttpConnector, Incoming>;
type Answer = Response<Either<Incoming, Full<Bytes>>>;

/// Serves until its time is over.
pub(crate) fn run(listen: Listen, to: SocketAddr) -> Result<(), String> {
    loopback(to)?;
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    let client: Forwarder = Client::builder(TokioExecutor::new()).build(connector);
    serve(listen, move || {
        let client = client.clone();
        service_fn(move |request| forward(client.clone(), to, request))
    })
}

async fn forward(
    client: Forwarder,
    to: SocketAddr,
    mut request: Request<Incoming>,
) -> Result<Answer, Infallible> {
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
    let uri: Option<Uri> = format!("http://{to}{path}").parse().ok();
    let answer = match uri {
        Some(uri) => {
            *request.uri_mut() = uri;
            client.request(request).await.ok()
        }
        None => None,
    };
    Ok(answer.map_or_else(bad_gateway, |answer| answer.map(Either::Left)))
}

fn bad_gateway() -> Answer {
    let mut answer = Response::new(Either::Right(Full::new(Bytes::from_static(b"no answer from upstream"))));
    *answer.status_mut() = StatusCode::BAD_GATEWAY;
    answer
}
