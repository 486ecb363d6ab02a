//! The sockets of one venue account. Takes what a session wants done, hands back what came of it.

use crate::clock::Clock;
use crate::endpoint::{CheckedRoutes, Routes};
use crate::error::IoSetupError;
use crate::event::{EventSender, HttpOutcome, IoBody, IoEvent};
use crate::http::HttpEdge;
use crate::limits::Limits;
use crate::link::{LinkTask, Stop};
use crate::tls::TlsRoots;
use domain::VenueId;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, mpsc, oneshot, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, timeout_at};
use venue::{HttpRequest, IoFailure, LinkId, Ticket, Transmit};

/// How long the tasks get to hand over their last events once they were told that time is up.
const LAST_EVENTS: Duration = Duration::from_millis(100);

/// One venue account's sockets.
///
/// Dropping it abandons requests without an answer and closes the links; [`VenueIo::close`] is the orderly end.
pub struct VenueIo {
    venue: VenueId,
    runtime: Handle,
    routes: CheckedRoutes,
    ws_tls: Arc<rustls::ClientConfig>,
    /// By beginnings of paths, the longest first.
    http: Vec<(String, Arc<HttpEdge>)>,
    links: BTreeMap<LinkId, OpenLink>,
    requests: JoinSet<()>,
    /// Free places for requests under way.
    places: Arc<Semaphore>,
    /// Turns true when unanswered requests must be given up.
    give_up: watch::Sender<bool>,
    events: EventSender,
    clock: Clock,
    limits: Limits,
    /// A frame or a request found no place since somebody asked.
    overflowed: bool,
}

/// The driver's side of a link.
struct OpenLink {
    frames: mpsc::Sender<String>,
    /// `None` once the link was told to end.
    stop: Option<oneshot::Sender<Stop>>,
    task: JoinHandle<()>,
}

impl OpenLink {
    /// Whether it may still carry frames, as far as the driver knows.
    fn is_open(&self) -> bool {
        self.stop.is_some() && !self.frames.is_closed()
    }

    fn stop(&mut self, why: Stop) {
        if let Some(stop) = self.stop.take() {
            // Refused only by a task that is ending anyway.
            let _ = stop.send(why);
        }
    }
}

impl VenueIo {
    /// Sockets for one venue account, none open yet: its three `&`[`venue::Endpoints`], or [`Routes`] where its markets have hosts of
    /// their own. Its tasks run on the tokio runtime that this is called in.
    ///
    /// # Errors
    /// [`IoSetupError`]: a bad URL, plain text or a private CA for a host that is not this machine, no runtime.
    pub fn new(
        venue: VenueId,
        routes: impl Into<Routes>,
        tls: TlsRoots,
        events: EventSender,
        clock: Clock,
    ) -> Result<VenueIo, IoSetupError> {
        VenueIo::with_limits(venue, routes, tls, events, clock, Limits::default())
    }

    /// [`VenueIo::new`] with bounds of one's own.
    ///
    /// # Errors
    /// As [`VenueIo::new`].
    pub fn with_limits(
        venue: VenueId,
        routes: impl Into<Routes>,
        tls: TlsRoots,
        events: EventSender,
        clock: Clock,
        limits: Limits,
    ) -> Result<VenueIo, IoSetupError> {
        let runtime = Handle::try_current().map_err(|_| IoSetupError::NoRuntime)?;
        let routes = CheckedRoutes::new(&routes.into(), &tls)?;
        Ok(VenueIo {
            venue,
            runtime,
            ws_tls: Arc::new(tls.client_config(&[])?),
            http: edges(&routes, &tls, limits)?,
            routes,
            links: BTreeMap::new(),
            requests: JoinSet::new(),
            places: Arc::new(Semaphore::new(limits.requests_max)),
            give_up: watch::Sender::new(false),
            events,
            clock,
            limits,
            overflowed: false,
        })
    }

    /// Does one thing that the session asked for. Never blocks; what comes of it arrives as events.
    ///
    /// - `Open` of a link that is open does nothing; of one that is closing, it follows the `Lost` of the old one.
    /// - `Close` of a link that is not open does nothing: its `Lost` is told already or under way.
    /// - `Frame` to a link that is not open vanishes; one that finds the write queue full ends the link.
    /// - `Request` is answered by exactly one `Response`; beyond the bound of requests under way by `NotSent`.
    pub fn perform(&mut self, transmit: Transmit) {
        match transmit {
            Transmit::Open(link) => self.open(link),
            Transmit::Close(link) => {
                if let Some(open) = self.links.get_mut(&link) {
                    open.stop(Stop::Asked);
                }
            }
            Transmit::Frame { link, text, order: _ } => self.frame(link, text),
            Transmit::Request { ticket, request, timeout_ns, order: _ } => self.request(ticket, request, timeout_ns),
        }
    }

    fn open(&mut self, link: LinkId) {
        if self.links.get(&link).is_some_and(OpenLink::is_open) {
            tracing::warn!(venue = self.venue.0, ?link, "asked to open a link that is open");
            return;
        }
        let before = self.links.remove(&link).map(|old| old.task);
        let endpoint = self.routes.link(link).cloned();
        let task = LinkTask {
            venue: self.venue,
            link,
            endpoint,
            tls: Arc::clone(&self.ws_tls),
            events: self.events.clone(),
            clock: self.clock,
            limits: self.limits,
        };
        let (frames, queued) = mpsc::channel(self.limits.write_queue_len.max(1));
        let (stop, stopped) = oneshot::channel();
        let task = self.runtime.spawn(async move {
            // The old link's `Lost` comes first: the session must never see the events of two lives mixed.
            if let Some(before) = before {
                let _ = before.await;
            }
            task.run(queued, stopped).await;
        });
        self.links.insert(link, OpenLink { frames, stop: Some(stop), task });
    }

    fn frame(&mut self, link: LinkId, text: String) {
        let Some(open) = self.links.get_mut(&link).filter(|open| open.is_open()) else { return };
        if let Err(mpsc::error::TrySendError::Full(_)) = open.frames.try_send(text) {
            open.stop(Stop::QueueFull);
            self.overflowed = true;
        }
    }

    /// Whether a frame or a request found no place since the last call.
    pub fn take_overflowed(&mut self) -> bool {
        std::mem::take(&mut self.overflowed)
    }

    fn request(&mut self, ticket: Ticket, request: HttpRequest, timeout_ns: u64) {
        // Finished tasks are taken off here, so that the set is bounded by the requests under way.
        while self.requests.try_join_next().is_some() {}
        let place = Arc::clone(&self.places).try_acquire_owned().ok();
        self.overflowed |= place.is_none();
        let (http, events, clock, venue) = (edge(&self.http, &request.path), self.events.clone(), self.clock, self.venue);
        let mut give_up = self.give_up.subscribe();
        let answer = async move {
            let outcome = match (&place, http) {
                (Some(_), Some(http)) => {
                    tokio::select! {
                        biased;
                        outcome = http.exchange(request, Duration::from_nanos(timeout_ns)) => outcome,
                        _ = give_up.wait_for(|now| *now) => HttpOutcome::Failed(IoFailure::Broken),
                    }
                }
                (None, _) => {
                    tracing::warn!(venue = venue.0, path = request.path, "too many requests under way");
                    HttpOutcome::Failed(IoFailure::NotSent)
                }
                (_, None) => {
                    tracing::warn!(venue = venue.0, path = request.path, "no host of this venue serves this path");
                    HttpOutcome::Failed(IoFailure::NotSent)
                }
            };
            let received = clock.now();
            events.send(IoEvent { venue, received, body: IoBody::Response { ticket, outcome } }).await;
            // The place is free again only now: answers that wait for the caller count.
            drop(place);
        };
        self.requests.spawn_on(answer, &self.runtime);
    }

    /// Closes the links politely and lets requests end, for at most `within`; then answers what is left as `Broken`, and lets
    /// go. The caller takes the last events from the queue afterwards, or meanwhile when more may come than fit.
    pub async fn close(mut self, within: Duration) {
        for link in self.links.values_mut() {
            link.stop(Stop::Asked);
        }
        let deadline = Instant::now() + within;
        let mut tasks: Vec<JoinHandle<()>> = self.links.into_values().map(|link| link.task).collect();
        let in_time = timeout_at(deadline, async {
            while self.requests.join_next().await.is_some() {}
            for task in &mut tasks {
                let _ = task.await;
            }
        })
        .await;
        if in_time.is_err() {
            self.give_up.send_replace(true);
            let _ = tokio::time::timeout(LAST_EVENTS, async { while self.requests.join_next().await.is_some() {} }).await;
            // Links that the peer or a full queue holds up. What was told before stays told.
            for task in tasks {
                task.abort();
            }
        }
    }
}

/// One client for each REST host of the routes, by beginnings of paths.
fn edges(routes: &CheckedRoutes, tls: &TlsRoots, limits: Limits) -> Result<Vec<(String, Arc<HttpEdge>)>, IoSetupError> {
    let mut clients: BTreeMap<&str, Arc<HttpEdge>> = BTreeMap::new();
    let mut edges = Vec::new();
    for (prefix, endpoint) in &routes.rest {
        let client = match clients.get(endpoint.url.as_str()) {
            Some(known) => Arc::clone(known),
            None => Arc::new(HttpEdge::new(endpoint, tls, limits)?),
        };
        clients.insert(&endpoint.url, Arc::clone(&client));
        edges.push((prefix.clone(), client));
    }
    Ok(edges)
}

/// The client of the longest beginning that fits.
fn edge(edges: &[(String, Arc<HttpEdge>)], path: &str) -> Option<Arc<HttpEdge>> {
    edges.iter().find(|(prefix, _)| path.starts_with(prefix.as_str())).map(|(_, edge)| Arc::clone(edge))
}

/// Sends one request outside any session (start-up, `doctor`) and waits for its answer. The same rules hold.
///
/// # Errors
/// [`IoSetupError`] when the routes can't be used; what becomes of the request itself is in the outcome.
pub async fn request_once(
    routes: impl Into<Routes>,
    tls: &TlsRoots,
    request: HttpRequest,
    within: Duration,
) -> Result<HttpOutcome, IoSetupError> {
    let checked = CheckedRoutes::new(&routes.into(), tls)?;
    let edges = edges(&checked, tls, Limits::default())?;
    match edge(&edges, &request.path) {
        Some(http) => Ok(http.exchange(request, within).await),
        None => Ok(HttpOutcome::Failed(IoFailure::NotSent)),
    }
}
