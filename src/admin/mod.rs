//! What an operator may ask, on an address of its own: never on the public one.

mod explain_view;
mod numbers_view;
mod policy_view;
mod pools_view;
mod query;
mod readings;
mod reset;
mod status;
mod store_view;
mod top_view;
mod windows_view;

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::net::TcpListener;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::HeaderValue;
use http::Method;
use http::Request;
use http::Response;
use http::StatusCode;
use http::request::Parts;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use hyper_util::rt::TokioTimer;
use tokio::task::JoinSet;
use tokio::time;

use crate::admin::query::Query;
use crate::control;
use crate::control::Control;
use crate::page::JSON;
use crate::page::TEXT;
use crate::page::not_allowed;
use crate::page::page;
use crate::sid::Sid;
use crate::sid::SidKind;
use crate::state::State;

const PROMETHEUS: HeaderValue =
    HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
/// How long a request's head may take.
const HEAD_TIME: Duration = Duration::from_secs(10);
const BACK_OFF: Duration = Duration::from_millis(100);

/// The gateway's pages, as `/` lists them.
const GATEWAY_INDEX: &str = "\
/status                     all of it on one page, for a browser
/metrics                    metrics for Prometheus
/policy                     what is in force
/windows?service=KS…        how full the windows of a service are
POST /windows/reset?service=KS…
                            empties them, where admin.allow_reset is on
/pools                      which services have the fullest number pools
/pools?service=KS…          how full those of one service are
/explain?service=KS…&endpoint=…
                            what would be decided now, and what holds the window
/top                        which services ask most and are refused most, and the fullest windows
/numbers?service=KS…        how many participants use the numbers of a service
";
/// The pages of every admin listener.
const COMMON_INDEX: &str = "\
/healthz                    the process runs
/readyz                     new connections are welcome (200), or it is draining (503)
";

/// The admin listener.
#[derive(Debug)]
pub struct Admin {
    listener: tokio::net::TcpListener,
    pages: Pages,
}

/// Whose pages an admin listener shows.
#[derive(Clone, Debug)]
pub enum Pages {
    /// Those of the gateway in front of any upstream.
    Gateway(Arc<State>),
    /// Those of the gateway in front of the embedded backend.
    GatewayAndBackend(Arc<State>, Arc<Control>),
    /// Those of the embedded backend alone.
    Backend(Arc<Control>),
}

impl Pages {
    const fn gateway(&self) -> Option<&Arc<State>> {
        match self {
            Self::Gateway(state) | Self::GatewayAndBackend(state, _) => Some(state),
            Self::Backend(_) => None,
        }
    }

    const fn control(&self) -> Option<&Arc<Control>> {
        match self {
            Self::GatewayAndBackend(_, control) | Self::Backend(control) => Some(control),
            Self::Gateway(_) => None,
        }
    }

    fn index(&self) -> String {
        let gateway = self.gateway().map(|_| GATEWAY_INDEX);
        let control = self.control().map(|_| control::INDEX);
        [gateway, Some(COMMON_INDEX), control].into_iter().flatten().collect()
    }
}

impl Admin {
    /// Takes over a bound socket; needs a runtime.
    pub fn new(listener: TcpListener, pages: Pages) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        Ok(Self { listener: tokio::net::TcpListener::from_std(listener)?, pages })
    }

    /// Serves until `stop`, then closes its connections. When it has ended nothing of the pages
    /// is held any more.
    pub async fn serve(self, stop: impl Future<Output = ()>) {
        let mut connections = JoinSet::new();
        let mut stop = pin!(stop);
        loop {
            tokio::select! {
                () = &mut stop => break,
                Some(_) = connections.join_next() => {}
                accepted = self.listener.accept() => match accepted {
                    Ok((stream, peer)) => {
                        connections.spawn(serve(stream, peer, self.pages.clone()));
                    }
                    Err(error) => {
                        tracing::warn!(%error, "an admin connection could not be accepted");
                        time::sleep(BACK_OFF).await;
                    }
                }
            }
        }
        connections.shutdown().await;
    }
}

async fn serve(stream: tokio::net::TcpStream, peer: SocketAddr, pages: Pages) {
    let answer = service_fn(|request: Request<Incoming>| {
        let pages = &pages;
        async move { Ok::<_, Infallible>(answer(pages, peer, request).await) }
    });
    let serving = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIME)
        .serve_connection(TokioIo::new(stream), answer)
        .await;
    if let Err(error) = serving {
        tracing::debug!(%error, "an admin connection ended");
    }
}

async fn answer(
    pages: &Pages,
    peer: SocketAddr,
    request: Request<Incoming>,
) -> Response<Full<Bytes>> {
    let path = request.uri().path();
    match (pages.gateway(), pages.control()) {
        (_, Some(control)) if control::is_for(path) => control.answer(request).await,
        (_, None) if control::is_for(path) => {
            page(StatusCode::NOT_FOUND, TEXT, control::ABSENT)
        }
        (Some(state), _) if path == reset::PATH => {
            let (head, _) = request.into_parts();
            reset::answer(state, peer, &head).await
        }
        (Some(state), _) if path == "/explain" => {
            let (head, _) = request.into_parts();
            explain(&head, state).await
        }
        _ => show(pages, &request),
    }
}

/// A page that changes nothing.
fn show<B>(pages: &Pages, request: &Request<B>) -> Response<Full<Bytes>> {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return not_allowed("GET, HEAD");
    }
    let path = request.uri().path();
    match (path, pages.gateway()) {
        ("/", Some(_)) if status::is_for(request.headers()) => status::instead_of_index(),
        ("/", _) => page(StatusCode::OK, TEXT, pages.index()),
        ("/healthz", _) => page(StatusCode::OK, TEXT, "ok\n"),
        ("/readyz", Some(state)) if !state.is_ready() => {
            page(StatusCode::SERVICE_UNAVAILABLE, TEXT, "not ready\n")
        }
        ("/readyz", _) => page(StatusCode::OK, TEXT, "ready\n"),
        ("/metrics", Some(state)) => match state.metrics.render(&readings::of(state)) {
            Ok(text) => page(StatusCode::OK, PROMETHEUS, text),
            Err(error) => page(StatusCode::INTERNAL_SERVER_ERROR, TEXT, format!("{error}\n")),
        },
        ("/policy", Some(state)) => page(StatusCode::OK, JSON, policy_view::render(state)),
        ("/windows", Some(state)) => {
            of_service(request, |service| windows_view::render(state, service))
        }
        ("/top", Some(state)) => page(StatusCode::OK, JSON, top_view::render(state)),
        ("/pools", Some(state)) if request.uri().query().is_none() => {
            page(StatusCode::OK, JSON, pools_view::of_all(state))
        }
        ("/pools", Some(state)) => {
            of_service(request, |service| pools_view::of_service(state, service))
        }
        ("/numbers", Some(state)) => {
            of_service(request, |service| numbers_view::render(state, service))
        }
        (_, gateway) => gateway
            .and_then(|_| status::answer(path))
            .unwrap_or_else(|| page(StatusCode::NOT_FOUND, TEXT, pages.index())),
    }
}

/// The page about one window.
async fn explain(head: &Parts, state: &State) -> Response<Full<Bytes>> {
    if !matches!(head.method, Method::GET | Method::HEAD) {
        return not_allowed("GET, HEAD");
    }
    let asked = Query::parse(head.uri.query().unwrap_or_default())
        .and_then(|query| Ok((query, query.window()?)));
    match asked {
        Ok((query, key)) => {
            page(StatusCode::OK, JSON, explain_view::render(state, &query, key).await)
        }
        Err(bad) => page(StatusCode::BAD_REQUEST, TEXT, bad.help()),
    }
}

/// A page about the service that the query names.
fn of_service<B>(
    request: &Request<B>,
    render: impl FnOnce(Sid) -> String,
) -> Response<Full<Bytes>> {
    let query = request.uri().query().unwrap_or_default();
    let service = query
        .split('&')
        .find_map(|pair| pair.strip_prefix("service="))
        .and_then(|text| Sid::parse_as(SidKind::Service, text));
    let Some(service) = service else {
        let example = format!("{}?service=KS", request.uri().path());
        let usage = format!("say which service: {example} and 32 hexadecimal digits\n");
        return page(StatusCode::BAD_REQUEST, TEXT, usage);
    };
    page(StatusCode::OK, JSON, render(service))
}
