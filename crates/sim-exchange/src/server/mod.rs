//! A world on loopback sockets: one TCP listener per venue, serving REST (HTTP/1.1) and the WebSocket upgrade, with or
//! without TLS.
//!
//! Start at [`serve`]. One task owns the world and gives it real time; one task per connection carries bytes. All of it
//! runs on whichever tokio runtime calls [`serve`], a current-thread one included.

mod connection;
mod owner;
mod tls;

use std::{
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use tokio::{
    net::{TcpListener, TcpStream},
    sync::{mpsc, oneshot, watch},
    task::JoinHandle,
};
use tokio_rustls::TlsAcceptor;

use self::{
    connection::{Desk, serve_connection},
    owner::{COMMAND_QUEUE_LEN, Command, WorldClock},
};
pub use self::{
    owner::unix_now_ns,
    tls::{TlsError, TlsMaterial},
};
use crate::world::World;

/// Where the venues listen, and whether they speak TLS.
#[derive(Clone, Debug)]
pub struct ServerConfig {
    /// One address per venue, in the world's order; port 0 takes a free one. Loopback addresses only.
    pub listen: Vec<SocketAddr>,
    /// Certificates for TLS; plain TCP without.
    pub tls: Option<TlsMaterial>,
}

impl ServerConfig {
    /// A free port of 127.0.0.1 for each of `venues`, without TLS.
    pub fn loopback(venues: usize) -> ServerConfig {
        let any = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
        ServerConfig { listen: vec![any; venues], tls: None }
    }
}

/// Why the venues could not be served.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// Fewer or more addresses than venues.
    #[error("{addresses} addresses were given for {venues} venues")]
    AddressCount {
        /// Addresses given.
        addresses: usize,
        /// Venues of the world.
        venues: usize,
    },
    /// Simulated venues are for this machine only: their keys are no secret.
    #[error("{0} is not a loopback address")]
    NotLoopback(SocketAddr),
    /// The address is taken or not allowed.
    #[error("cannot listen on {address}")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

/// The server is gone, so nothing can be asked of its world.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the simulated venues have stopped")]
pub struct Stopped;

/// A running server. Dropping it stops the venues.
pub struct ServerHandle {
    /// Where each venue listens, in the world's order.
    pub addrs: Vec<SocketAddr>,
    /// The throw-away authority to trust, when TLS is on.
    pub ca_pem: Option<String>,
    /// Where each venue's public streams are opened.
    ws_paths: Vec<&'static str>,
    commands: mpsc::Sender<Command>,
    stop: watch::Sender<bool>,
    owner: JoinHandle<World>,
    behind: Arc<AtomicU64>,
}

impl ServerHandle {
    /// Runs `visit` on the world between two moments of its life, and returns what it found.
    ///
    /// # Errors
    /// [`Stopped`] when the world is gone.
    pub async fn with_world<T: Send + 'static>(
        &self,
        visit: impl FnOnce(&mut World) -> T + Send + 'static,
    ) -> Result<T, Stopped> {
        let (reply, replied) = oneshot::channel();
        let visit = Box::new(move |world: &mut World| {
            // Nobody listens any more when the caller was cancelled.
            reply.send(visit(world)).ok();
        });
        self.commands.send(Command::Visit(visit)).await.map_err(|_| Stopped)?;
        replied.await.map_err(|_| Stopped)
    }

    /// How far the world was behind real time at most since the last call, nanoseconds: 0 while it keeps up. A world that is behind says
    /// everything late, and its clock with it.
    pub fn take_behind_ns(&self) -> u64 {
        self.behind.swap(0, Ordering::Relaxed)
    }

    /// Base address of a venue's REST, `http://…/api/v4` or `https://…/api/v4`.
    pub fn rest_url(&self, venue: usize) -> Option<String> {
        let scheme = if self.ca_pem.is_some() { "https" } else { "http" };
        self.addrs.get(venue).map(|addr| format!("{scheme}://{addr}/api/v4"))
    }

    /// Address of a venue's public streams.
    pub fn ws_url(&self, venue: usize) -> Option<String> {
        let scheme = if self.ca_pem.is_some() { "wss" } else { "ws" };
        let path = self.ws_paths.get(venue)?;
        self.addrs.get(venue).map(|addr| format!("{scheme}://{addr}{path}"))
    }

    /// Stops the venues: listeners and connections are closed. Returns the world as it then is.
    ///
    /// # Errors
    /// [`Stopped`] when its task has failed.
    pub async fn shutdown(self) -> Result<World, Stopped> {
        self.stop.send_replace(true);
        self.owner.await.map_err(|_| Stopped)
    }
}

/// Serves a world. It should have been made at [`unix_now_ns`]: from here on its time is real time.
///
/// # Errors
/// [`ServeError`]; no venue listens then.
pub async fn serve(world: World, config: ServerConfig) -> Result<ServerHandle, ServeError> {
    if config.listen.len() != world.venue_count() {
        return Err(ServeError::AddressCount { addresses: config.listen.len(), venues: world.venue_count() });
    }
    if let Some(address) = config.listen.iter().find(|address| !address.ip().is_loopback()) {
        return Err(ServeError::NotLoopback(*address));
    }
    let mut listeners = Vec::with_capacity(config.listen.len());
    let mut addrs = Vec::with_capacity(config.listen.len());
    for address in config.listen {
        let bind = |source| ServeError::Bind { address, source };
        let listener = TcpListener::bind(address).await.map_err(bind)?;
        addrs.push(listener.local_addr().map_err(bind)?);
        listeners.push(listener);
    }
    let (stop, stopped) = watch::channel(false);
    let (commands, received) = mpsc::channel(COMMAND_QUEUE_LEN);
    let next_conn = Arc::new(AtomicU64::new(1));
    let paths = |venue| world.venue(venue).kind.settings().ws_paths();
    let first_paths = (0..world.venue_count()).map(|venue| paths(venue).first().copied().unwrap_or("/")).collect();
    for (venue, listener) in listeners.into_iter().enumerate() {
        let ws_paths = paths(venue);
        let desk = Desk { venue, ws_paths, commands: commands.clone(), next_conn: Arc::clone(&next_conn), stop: stopped.clone() };
        let acceptor = config.tls.as_ref().map(|tls| TlsAcceptor::from(tls.server_config()));
        tokio::spawn(accept(listener, acceptor, desk));
    }
    let behind = Arc::new(AtomicU64::new(0));
    let owner = tokio::spawn(owner::run(world, WorldClock::start(), received, stopped, Arc::clone(&behind)));
    let ca_pem = config.tls.map(|tls| tls.ca_pem().to_owned());
    Ok(ServerHandle { addrs, ca_pem, ws_paths: first_paths, commands, stop, owner, behind })
}

async fn accept(listener: TcpListener, acceptor: Option<TlsAcceptor>, desk: Desk) {
    let mut stop = desk.stop.clone();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stop.wait_for(|stop| *stop) => return,
        };
        match accepted {
            Ok((stream, _)) => {
                tokio::spawn(greet(stream, acceptor.clone(), desk.clone()));
            }
            Err(error) => {
                // Out of file handles, most likely: waiting a moment beats spinning.
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            }
        }
    }
}

async fn greet(stream: TcpStream, acceptor: Option<TlsAcceptor>, desk: Desk) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "TCP_NODELAY could not be set");
    }
    match acceptor {
        None => serve_connection(stream, desk).await,
        Some(acceptor) => match acceptor.accept(stream).await {
            Ok(stream) => serve_connection(stream, desk).await,
            Err(error) => tracing::debug!(%error, "a TLS handshake failed"),
        },
    }
}
