//! The operator's HTTP: `/metrics`, `/healthz`, `/readyz`, `/`, `/api/status`, `/api/books`,
//! `POST /api/{halt,resume,drain,flatten}`.
//!
//! It runs on a thread of its own and sees only published copies: a snapshot made at every tick, and the books through their
//! lock-free cells, as they are at the moment of the request. Control routes need the token, a Host that is the bound
//! address, and no foreign Origin (a page in a browser must not be able to reach them). A non-loopback bind needs a token.
//! A command is answered once the engine has applied it and a copy that shows it is published.
//!
//! The address is served before the engine runs, since a start may wait for a venue for days: it tells then that it is starting,
//! and takes a halt and no other command ([`crate::starting`]).

use crate::exit::Failure;
use crate::latch_keeper::LatchKeeper;
use crate::ops_listener::OpsListener;
use crate::snapshot::Snapshot;
use axum::Router;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{get, post};
use domain::{Level, StopReason, Tables};
use order_book::BookCell;
use secrecy::{ExposeSecret, SecretString};
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};
use std::time::{Duration, Instant};
use subtle::ConstantTimeEq;
use telemetry::Exposition;
use tokio::sync::{mpsc, oneshot};

/// How long a command may take to be applied. The loop answers within milliseconds; beyond this it hangs, and that is told.
const APPLY_WAIT: Duration = Duration::from_secs(5);

/// The live loop publishes ten times a second. One that has not for so long hangs, and its figures are no news.
const STANDS_AFTER: Duration = Duration::from_secs(3);

/// How long the last answers may take when the server ends: longer than a disk is waited for.
const END_WAIT: Duration = Duration::from_secs(6);

/// What a command is told as long as there is no engine.
const STARTING: (StatusCode, &str) =
    (StatusCode::SERVICE_UNAVAILABLE, "the engine is starting: it takes a halt now, and every other command once it runs\n");

/// Largest request body read, in bytes: a reason in words.
const BODY_BYTES_MAX: usize = 4096;

/// A command to the live loop.
#[derive(Clone, Debug)]
pub enum Control {
    /// Latch.
    Halt(StopReason),
    /// Clear the latch and what only a person clears; the latch file is cleared already. Why, in a person's words.
    Resume(String),
    /// Open nothing, finish what is open, go on running.
    Drain,
    /// Open nothing, close exposure at once, go on running.
    Flatten,
    /// The configuration file was read again.
    Reload(Box<Result<crate::config::Loaded, String>>),
    /// End the run in order; a second one ends it at once.
    Stop,
}

/// A command, and whom to tell once it is applied and shown.
#[derive(Debug)]
pub struct Request {
    /// What is to be done.
    pub control: Control,
    /// Told once a copy that shows it is published.
    pub done: Option<oneshot::Sender<()>>,
}

/// What is published.
#[derive(Clone, Default)]
pub struct Shared(Arc<Published>);

#[derive(Default)]
struct Published {
    copy: Mutex<Option<Copied>>,
    /// There as soon as the engine is.
    books: OnceLock<BookBoard>,
}

/// A copy, and when it was made. Readers share it: the live loop waits for none of them to read it.
#[derive(Clone)]
struct Copied {
    snapshot: Arc<Snapshot>,
    at: Instant,
}

impl Copied {
    /// How long the live loop has published nothing, where that is longer than it ever takes.
    fn stands_since(&self) -> Option<Duration> {
        Some(self.at.elapsed()).filter(|age| *age >= STANDS_AFTER)
    }
}

impl Shared {
    /// Replaces the copy.
    pub fn publish(&self, snapshot: Snapshot) {
        let new = Copied { snapshot: Arc::new(snapshot), at: Instant::now() };
        let old = self.lock().replace(new);
        // Freed where the lock is not held.
        drop(old);
    }

    fn copy(&self) -> Option<Copied> {
        self.lock().clone()
    }

    /// The engine is there, with these books: from here on its loop takes commands.
    pub fn begin(&self, books: BookBoard) {
        // It is there once.
        let _ = self.0.books.set(books);
    }

    fn books(&self) -> Option<&BookBoard> {
        self.0.books.get()
    }

    fn lock(&self) -> MutexGuard<'_, Option<Copied>> {
        // A reader that panicked can't have left the copy half-written: it is replaced whole.
        self.0.copy.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// The books as the engine publishes them, for readers that never make it wait.
#[derive(Clone)]
pub struct BookBoard {
    tables: Arc<Tables>,
    cells: Vec<Arc<BookCell>>,
}

impl BookBoard {
    /// An empty board, and the cells for [`engine_core::Engine::publish_books`].
    pub fn new(tables: Arc<Tables>) -> BookBoard {
        let cells = (0..tables.venues.len() * tables.pairs.len()).map(|_| Arc::new(BookCell::new())).collect();
        BookBoard { tables, cells }
    }

    /// The cells, pairs outermost.
    pub fn cells(&self) -> Vec<Arc<BookCell>> {
        self.cells.clone()
    }

    /// The top levels of every live book, best first.
    fn json(&self) -> serde_json::Value {
        let names = self.tables.pairs.iter().flat_map(|pair| self.tables.venues.iter().map(move |venue| (pair, venue)));
        let books = names.zip(&self.cells).map(|((pair, venue), cell)| {
            let view = cell.read();
            let side = |levels: &[Option<Level>]| -> Vec<[String; 2]> {
                levels.iter().flatten().map(|l| [pair.scale.price_text(l.price), pair.scale.qty_text(l.qty)]).collect()
            };
            serde_json::json!({"venue": venue, "pair": pair.symbol.to_string(), "live": view.live, "id": view.id,
                               "bids": side(&view.bids), "asks": side(&view.asks)})
        });
        books.collect()
    }
}

/// What the routes share.
struct Ops {
    shared: Shared,
    exposition: Exposition,
    control: mpsc::Sender<Request>,
    token: Option<SecretString>,
    keeper: LatchKeeper,
    listen: SocketAddr,
}

/// The token for control routes that the variable `name` holds; `None` when it is unset or empty.
///
/// # Errors
/// Exit code 3 for one that no `Authorization` header can carry: it could never be matched, and no halt would ever be taken.
pub fn token(name: &str) -> Result<Option<SecretString>, Failure> {
    let wrong = || {
        Failure::config(format!(
            "environment variable {name}: a token is of visible ASCII characters, without spaces or line ends"
        ))
    };
    let Some(value) = std::env::var_os(name).filter(|value| !value.is_empty()) else { return Ok(None) };
    let text = value.into_string().map_err(|_| wrong())?;
    if text.bytes().all(|byte| byte.is_ascii_graphic()) { Ok(Some(SecretString::from(text))) } else { Err(wrong()) }
}

/// A bound port that nobody serves yet.
pub struct OpsPort {
    listener: TcpListener,
    token: Option<SecretString>,
    /// Where it listens.
    pub address: SocketAddr,
}

/// Binds.
///
/// # Errors
/// Exit code 3 when the address can't be bound, or is not loopback and there is no token.
pub fn bind(listen: &str, token: Option<SecretString>) -> Result<OpsPort, Failure> {
    let wanted: SocketAddr =
        listen.parse().map_err(|_| Failure::config(format!("ops.listen: `{listen}` is no address and port")))?;
    if !wanted.ip().is_loopback() && token.is_none() {
        return Err(Failure::config(format!(
            "ops.listen: {listen} is reachable from other hosts; set the variable named by ops.token_env, or bind 127.0.0.1"
        )));
    }
    let listener = TcpListener::bind(wanted).map_err(|e| {
        Failure::config(format!("ops.listen: can't bind {listen}: {e}; choose another port, or port 0 for a free one"))
    })?;
    listener.set_nonblocking(true).map_err(Failure::failed)?;
    let address = listener.local_addr().map_err(Failure::failed)?;
    Ok(OpsPort { listener, token, address })
}

impl OpsPort {
    /// Serves on a thread of its own, until the server is ended or the process is.
    ///
    /// # Errors
    /// Exit code 1 when no thread can be started.
    pub fn serve(self, shared: Shared, control: mpsc::Sender<Request>, keeper: LatchKeeper) -> Result<OpsServer, Failure> {
        let OpsPort { listener, token, address } = self;
        let ops = Arc::new(Ops { shared, exposition: Exposition::new(), control, token, keeper, listen: address });
        let ((end, ending), (over, ended)) = (oneshot::channel(), oneshot::channel::<()>());
        std::thread::Builder::new()
            .name("ops".into())
            .spawn(move || {
                serve(listener, ops, ending);
                drop(over);
            })
            .map_err(|e| Failure::failed(format!("can't start the ops thread: {e}")))?;
        Ok(OpsServer { end, ended })
    }
}

/// A port that is served. Dropping this changes nothing.
pub struct OpsServer {
    end: oneshot::Sender<()>,
    ended: oneshot::Receiver<()>,
}

impl OpsServer {
    /// Takes no further request, and waits a moment for the answers to those that were taken.
    pub async fn end(self) {
        // A thread that has ended has answered.
        let _ = self.end.send(());
        let _ = tokio::time::timeout(END_WAIT, self.ended).await;
    }
}

fn serve(listener: TcpListener, ops: Arc<Ops>, ending: oneshot::Receiver<()>) {
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else { return };
    let app = Router::new()
        .route("/", get(page))
        .route("/metrics", get(metrics))
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .route("/api/status", get(status))
        .route("/api/books", get(books))
        .route("/api/halt", post(halt))
        .route("/api/resume", post(resume))
        .route("/api/drain", post(drain))
        .route("/api/flatten", post(flatten))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .with_state(ops);
    let ending = async move {
        if ending.await.is_err() {
            // Nobody will say so any more: it serves for the life of the process.
            std::future::pending::<()>().await;
        }
    };
    runtime.block_on(async move {
        match tokio::net::TcpListener::from_std(listener) {
            Ok(listener) => {
                if let Err(error) = axum::serve(OpsListener::new(listener), app).with_graceful_shutdown(ending).await {
                    tracing::error!(%error, "the ops server ended");
                }
            }
            Err(error) => tracing::error!(%error, "the ops server can't listen"),
        }
    });
}

async fn metrics(State(ops): State<Arc<Ops>>) -> Response {
    let Some(copy) = ops.shared.copy() else { return (StatusCode::SERVICE_UNAVAILABLE, "no figures yet\n").into_response() };
    let text = copy.snapshot.metrics.render(&ops.exposition, copy.stands_since().is_none());
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response()
}

async fn healthz() -> &'static str {
    "ok\n"
}

async fn readyz(State(ops): State<Arc<Ops>>) -> Response {
    let why = match ops.shared.copy() {
        None => "starting".into(),
        Some(copy) => match copy.stands_since() {
            Some(age) => format!("the engine's loop stands still, for {} s now", age.as_secs()),
            None if copy.snapshot.not_ready.is_empty() => return "ready\n".into_response(),
            None => copy.snapshot.not_ready.join("; "),
        },
    };
    (StatusCode::SERVICE_UNAVAILABLE, format!("not ready: {why}\n")).into_response()
}

async fn status(State(ops): State<Arc<Ops>>) -> Response {
    match ops.shared.copy() {
        Some(copy) => axum::Json(&copy.snapshot.status).into_response(),
        None => (StatusCode::SERVICE_UNAVAILABLE, axum::Json(serde_json::json!({"error": "starting"}))).into_response(),
    }
}

async fn books(State(ops): State<Arc<Ops>>) -> Response {
    match ops.shared.books() {
        Some(books) => axum::Json(books.json()).into_response(),
        None => (StatusCode::SERVICE_UNAVAILABLE, axum::Json(serde_json::json!({"error": "starting"}))).into_response(),
    }
}

async fn page(State(ops): State<Arc<Ops>>) -> Html<String> {
    let copy = ops.shared.copy();
    let lines = copy.as_ref().map_or("starting", |copy| &copy.snapshot.text);
    let escaped = lines.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    Html(format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta http-equiv=\"refresh\" content=\"2\"><title>crossgate</title>\
         <meta name=\"viewport\" content=\"width=device-width\"><style>body{{font:14px/1.4 ui-monospace,monospace;margin:2rem;color-scheme:light dark}}</style>\
         <h1>crossgate</h1><pre>{escaped}</pre><p><a href=\"/metrics\">metrics</a> · <a href=\"/api/status\">status</a> · <a href=\"/api/books\">books</a> · <a href=\"/readyz\">ready?</a></p></html>"
    ))
}

/// Whether a request that names `host` was meant for a server bound to `listen`: an address, or `localhost`. A name of somebody else's could
/// be made to lead here after a page of his was loaded under it. A bind to other than loopback may be reached through further addresses and
/// ports, so that any address is taken for its own.
fn is_ours(host: &str, listen: SocketAddr) -> bool {
    if listen.ip().is_loopback() {
        return host == listen.to_string() || host == format!("localhost:{}", listen.port());
    }
    let name = host.rsplit_once(':').filter(|(_, port)| port.bytes().all(|b| b.is_ascii_digit())).map_or(host, |(name, _)| name);
    name == "localhost" || host.parse::<SocketAddr>().is_ok() || host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok()
}

/// Why a control request is refused, or nothing.
fn refusal(ops: &Ops, headers: &HeaderMap) -> Option<(StatusCode, &'static str)> {
    let text = |name: header::HeaderName| headers.get(name).and_then(|v| v.to_str().ok());
    let own = |host: &str| is_ours(host, ops.listen);
    if !text(header::HOST).is_some_and(own) {
        return Some((StatusCode::FORBIDDEN, "wrong Host: name the engine by its address, or as localhost\n"));
    }
    if text(header::ORIGIN).is_some_and(|origin| !origin.strip_prefix("http://").is_some_and(own)) {
        return Some((StatusCode::FORBIDDEN, "foreign Origin\n"));
    }
    let Some(token) = &ops.token else {
        return Some((StatusCode::FORBIDDEN, "control is off: set the variable named by ops.token_env and restart\n"));
    };
    let given = text(header::AUTHORIZATION).and_then(|v| v.strip_prefix("Bearer ")).unwrap_or_default();
    let same: bool = given.as_bytes().ct_eq(token.expose_secret().as_bytes()).into();
    if same { None } else { Some((StatusCode::UNAUTHORIZED, "wrong token\n")) }
}

/// The same of a command that only an engine can take.
fn refusal_of_engine(ops: &Ops, headers: &HeaderMap) -> Option<(StatusCode, &'static str)> {
    refusal(ops, headers).or_else(|| ops.shared.books().is_none().then_some(STARTING))
}

async fn halt(State(ops): State<Arc<Ops>>, headers: HeaderMap, body: String) -> Response {
    if let Some(refused) = refusal(&ops, &headers) {
        return refused.into_response();
    }
    let detail = match body.trim() {
        "" => "halt command".into(),
        text => format!("halt command: {text}"),
    };
    // Side by side: the engine must not wait for the disk, nor the file for the engine.
    let durable = ops.keeper.engage_and_tell(StopReason::Operator, detail);
    let applied = apply(&ops, Control::Halt(StopReason::Operator)).await;
    // A disk may hang for minutes; whoever asked must be told what is known.
    let warning = match tokio::time::timeout(APPLY_WAIT, durable).await {
        Ok(Ok(Ok(()))) => None,
        Ok(Ok(Err(why))) => Some(why),
        Ok(Err(_)) => Some("its keeper does not answer".into()),
        Err(_) => Some("the disk has not answered yet".into()),
    };
    match (applied, warning) {
        (true, None) => axum::Json(serde_json::json!({"result": "halted"})).into_response(),
        (true, Some(why)) => {
            let warning = format!("the latch file can't be written: {why}; a restart would not know of the halt");
            axum::Json(serde_json::json!({"result": "halted", "warning": warning})).into_response()
        }
        (false, None) => (StatusCode::GONE, "the engine does not answer; the latch file is engaged\n").into_response(),
        (false, Some(why)) => {
            let text = format!("the engine does not answer, and the latch file can't be written: {why}\n");
            (StatusCode::INTERNAL_SERVER_ERROR, text).into_response()
        }
    }
}

async fn resume(State(ops): State<Arc<Ops>>, headers: HeaderMap, body: String) -> Response {
    if let Some(refused) = refusal_of_engine(&ops, &headers) {
        return refused.into_response();
    }
    let reason = body.trim();
    if reason.is_empty() {
        return (StatusCode::BAD_REQUEST, "resume needs a reason as its body\n").into_response();
    }
    // The file first: the loop looks at it and would latch again.
    match ops.keeper.clear_and_tell().await {
        Ok(Ok(())) => {}
        Ok(Err(why)) => {
            return (StatusCode::INTERNAL_SERVER_ERROR, format!("the latch can't be cleared: {why}\n")).into_response();
        }
        Err(_) => return (StatusCode::INTERNAL_SERVER_ERROR, "the latch can't be cleared\n").into_response(),
    }
    answer(apply(&ops, Control::Resume(reason.into())).await, "resumed")
}

async fn drain(State(ops): State<Arc<Ops>>, headers: HeaderMap) -> Response {
    match refusal_of_engine(&ops, &headers) {
        Some(refused) => refused.into_response(),
        None => answer(apply(&ops, Control::Drain).await, "draining"),
    }
}

async fn flatten(State(ops): State<Arc<Ops>>, headers: HeaderMap) -> Response {
    match refusal_of_engine(&ops, &headers) {
        Some(refused) => refused.into_response(),
        None => answer(apply(&ops, Control::Flatten).await, "flattening"),
    }
}

/// Has the loop do it; true once it is applied and shown.
async fn apply(ops: &Ops, control: Control) -> bool {
    let (done, applied) = oneshot::channel();
    if ops.control.send(Request { control, done: Some(done) }).await.is_err() {
        return false;
    }
    matches!(tokio::time::timeout(APPLY_WAIT, applied).await, Ok(Ok(())))
}

fn answer(applied: bool, word: &'static str) -> Response {
    if applied {
        axum::Json(serde_json::json!({"result": word})).into_response()
    } else {
        (StatusCode::GONE, "the engine has ended or does not answer\n").into_response()
    }
}

#[cfg(test)]
mod tests {
    use super::is_ours;

    #[test]
    fn hosts_are_addresses_or_localhost() {
        let loopback = "127.0.0.1:9464".parse().unwrap();
        for (host, ours) in [
            ("127.0.0.1:9464", true),
            ("localhost:9464", true),
            ("127.0.0.1:9465", false),
            ("127.0.0.1", false),
            ("evil.example:9464", false),
        ] {
            assert_eq!(is_ours(host, loopback), ours, "{host}");
        }
        let open = "0.0.0.0:9464".parse().unwrap();
        for (host, ours) in [
            ("10.1.2.3:9464", true),
            ("10.1.2.3:80", true),
            ("10.1.2.3", true),
            ("[::1]:9464", true),
            ("[fe80::1]", true),
            ("localhost:9464", true),
            ("localhost", true),
            ("evil.example", false),
            ("evil.example:9464", false),
            ("10.1.2.3.evil.example", false),
            ("", false),
        ] {
            assert_eq!(is_ours(host, open), ours, "{host}");
        }
    }
}
