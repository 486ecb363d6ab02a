//! One venue's REST: a request goes out at most once and comes back as one [`HttpOutcome`].
//!
//! Start at [`HttpEdge::exchange`]. How "at most once" is kept:
//! - reqwest's own retries are off (`retry::never`), redirects are not followed, HTTP/1.1 only.
//! - Below it, hyper's pool hands a request to another connection only when the first connection gave it back unstarted, so not
//!   one byte of it was written (`TrySendError::take_message`; once the head is serialised it is never given back). That is no
//!   second send; the tests count requests at a raw peer that closes before, between, in and after them.
//! - A request given up (time-out, shutdown) is dropped; hyper doesn't start a request whose caller is gone.
//!
//! `NotSent` is said only for failures before a connection was usable. A request that hyper gives back unstarted on a fresh
//! connection is told as `Broken`: weaker than the truth, never wrong.

use crate::endpoint::Endpoint;
use crate::error::IoSetupError;
use crate::event::HttpOutcome;
use crate::limits::{BODY_FREE_BYTES, Limits, RESPONSE_HEADER_BYTES_MAX, RESPONSE_HEADERS_MAX};
use crate::tls::TlsRoots;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, Url};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use venue::{HttpRequest, IoFailure, Method};

/// TCP keep-alive probes of pooled connections: a dead path is found before an order needs it.
const KEEP_ALIVE: Duration = Duration::from_secs(10);

/// A warm client for one REST host.
pub(crate) struct HttpEdge {
    client: Client,
    /// Scheme, host and port.
    base: String,
    /// What is left of [`Limits::bodies_bytes_max`].
    bodies: Arc<Semaphore>,
    limits: Limits,
}

impl HttpEdge {
    pub(crate) fn new(endpoint: &Endpoint, tls: &TlsRoots, limits: Limits) -> Result<HttpEdge, IoSetupError> {
        let mut builder = Client::builder()
            .tls_backend_preconfigured(tls.client_config(&[b"http/1.1"])?)
            .https_only(endpoint.tls)
            .http1_only()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .referer(false)
            .retry(reqwest::retry::never())
            .user_agent(crate::USER_AGENT)
            .tcp_nodelay(true)
            .tcp_keepalive(KEEP_ALIVE)
            .connect_timeout(limits.handshake)
            .pool_idle_timeout(limits.idle);
        if let Some(addresses) = endpoint.localhost_addresses() {
            // Port 0: the URL's own.
            builder = builder.resolve_to_addrs("localhost", &addresses.map(|a| SocketAddr::new(a.ip(), 0)));
        }
        let client = builder.build().map_err(IoSetupError::Client)?;
        let bodies = limits.bodies_bytes_max.min(Semaphore::MAX_PERMITS);
        Ok(HttpEdge { client, base: endpoint.url.clone(), bodies: Arc::new(Semaphore::new(bodies)), limits })
    }

    /// Sends the request once and reads its whole answer within `within`.
    pub(crate) async fn exchange(&self, request: HttpRequest, within: Duration) -> HttpOutcome {
        // The query may hold a signature on some venues: method and path are all that a log may see.
        let (method, path) = (request.method.as_str(), request.path.clone());
        tracing::debug!(method, path, "request");
        let Some(request) = self.build(request) else {
            tracing::warn!(method, path, "request refused here: its path, query or headers would not go out as signed");
            return HttpOutcome::Failed(IoFailure::NotSent);
        };
        let outcome = match tokio::time::timeout(within, self.send(request)).await {
            Ok(outcome) => outcome,
            Err(_) => HttpOutcome::Failed(IoFailure::TimedOut),
        };
        match &outcome {
            HttpOutcome::Http { status, .. } => tracing::debug!(method, path, status, "response"),
            HttpOutcome::Failed(failure) => tracing::debug!(method, path, ?failure, "no response"),
        }
        outcome
    }

    /// The request with exactly the bytes that were signed, or `None` when HTTP or URL rules would change one of them.
    fn build(&self, request: HttpRequest) -> Option<reqwest::Request> {
        let HttpRequest { method, path, query, headers, body } = request;
        let text = if query.is_empty() { format!("{}{path}", self.base) } else { format!("{}{path}?{query}", self.base) };
        let url = Url::parse(&text).ok()?;
        let query = (!query.is_empty()).then_some(query);
        if !path.starts_with('/') || url.path() != path || url.query() != query.as_deref() || url.fragment().is_some() {
            return None;
        }
        let mut map = HeaderMap::with_capacity(headers.len());
        for (name, value) in headers {
            let mut value = HeaderValue::from_str(&value).ok()?;
            value.set_sensitive(true);
            map.append(HeaderName::from_bytes(name.as_bytes()).ok()?, value);
        }
        let method = match method {
            Method::Get => reqwest::Method::GET,
            Method::Post => reqwest::Method::POST,
            Method::Patch => reqwest::Method::PATCH,
            Method::Delete => reqwest::Method::DELETE,
        };
        let mut request = self.client.request(method, url).headers(map);
        if !body.is_empty() {
            request = request.body(body);
        }
        request.build().ok()
    }

    async fn send(&self, request: reqwest::Request) -> HttpOutcome {
        let mut response = match self.client.execute(request).await {
            Ok(response) => response,
            Err(error) => return HttpOutcome::Failed(failure_of(&error)),
        };
        let status = response.status().as_u16();
        let headers = kept_headers(response.headers());
        let mut body = Vec::new();
        let mut shares: Vec<OwnedSemaphorePermit> = Vec::new();
        let mut counted = BODY_FREE_BYTES;
        loop {
            match response.chunk().await {
                Ok(Some(chunk)) => {
                    let len = body.len().saturating_add(chunk.len());
                    if len > self.limits.body_bytes_max {
                        return HttpOutcome::Failed(IoFailure::Broken);
                    }
                    if len > counted {
                        let Some(share) = self.share(len - counted) else { return HttpOutcome::Failed(IoFailure::Broken) };
                        shares.push(share);
                        counted = len;
                    }
                    body.extend_from_slice(&chunk);
                }
                Ok(None) => return HttpOutcome::Http { status, headers, body },
                Err(error) if error.is_timeout() => return HttpOutcome::Failed(IoFailure::TimedOut),
                Err(_) => return HttpOutcome::Failed(IoFailure::Broken),
            }
        }
    }

    fn share(&self, bytes: usize) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.bodies).try_acquire_many_owned(u32::try_from(bytes).ok()?).ok()
    }
}

/// What an error of the HTTP client means for an order.
fn failure_of(error: &reqwest::Error) -> IoFailure {
    if error.is_builder() || error.is_connect() {
        // No usable connection: refused, name not found, TLS refused, connect time-out.
        IoFailure::NotSent
    } else if error.is_timeout() {
        IoFailure::TimedOut
    } else {
        IoFailure::Broken
    }
}

/// The headers that a session may read: rate limits and traces (`x-…`), `retry-after`, `date`.
fn kept_headers(headers: &HeaderMap) -> Vec<(String, String)> {
    headers
        .iter()
        .filter(|(name, _)| name.as_str().starts_with("x-") || matches!(name.as_str(), "retry-after" | "date"))
        .filter(|(_, value)| value.len() <= RESPONSE_HEADER_BYTES_MAX)
        .filter_map(|(name, value)| Some((name.as_str().to_string(), value.to_str().ok()?.to_string())))
        .take(RESPONSE_HEADERS_MAX)
        .collect()
}
