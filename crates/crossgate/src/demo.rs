//! The simulated venues of a configuration: on a thread of their own, reached over real loopback sockets like any venue.

use crate::config::Loaded;
use crate::config::schema::{Config, Venue};
use crate::exit::Failure;
use crate::registry;
use crate::secrets::KeyPair;
use crate::setup::{VenueSetup, aliases, symbols};
use domain::Rate;
use rust_decimal::Decimal;
use secrecy::SecretString;
use sim_exchange::core::{DeductionConfig, FeeRates};
use sim_exchange::protocols;
use sim_exchange::server::{ServeError, ServerConfig, ServerHandle, TlsMaterial, serve, unix_now_ns};
use sim_exchange::world::{MoreKey, VenueConfig, VenueKind, World, WorldConfig};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::mpsc as std_mpsc;
use std::thread::JoinHandle;
use tokio::sync::oneshot;
use venue::{Alias, Endpoints};
use venue_io::TlsRoots;

/// How long the venues trade before anyone can see them, so that there are trades and candles from the first moment.
const WARM_UP_NS: u64 = 60_000_000_000;
/// How often somebody who watches the venues looks.
const LOOKS_EVERY: std::time::Duration = std::time::Duration::from_millis(50);
/// What an account owns at the start of an asset that only its venue has, to pay fees with.
const FEE_ASSET_OWNED: Decimal = Decimal::ONE_HUNDRED;
/// How much slower a pair named in `quiet_pairs` lives: an event about every half minute.
const QUIET_SLOWNESS: u32 = 1_000;

/// Looks at the world now and then while it serves, and a last time when it ends: also told how far it was behind real time at most
/// since the last look, nanoseconds.
pub type Watch = Arc<dyn Fn(&mut World, u64) + Send + Sync>;

/// Address, key and secret of one simulated venue.
#[derive(Clone, Debug)]
pub struct SimulatedVenue {
    /// Id.
    pub id: String,
    /// Kind.
    pub kind: &'static str,
    /// Paths of its public and private streams.
    pub ws_paths: [&'static str; 2],
    /// Where it listens.
    pub address: SocketAddr,
    /// API key; simulated, so no secret.
    pub key: String,
    /// API secret; simulated, so no secret.
    pub secret: String,
    /// Keys of other kinds for the same account.
    pub more_keys: Vec<MoreKey>,
}

/// Simulated venues that run.
pub struct Simulated {
    /// The venues, in order.
    pub venues: Vec<SimulatedVenue>,
    /// The authority to trust, with TLS.
    pub ca_pem: Option<String>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// Starts the simulated venues of a configuration on free ports, watched by `watch`.
///
/// # Errors
/// Exit code 3 for pairs or venues that can't be simulated, 1 when no port can be bound.
pub fn start(loaded: &Loaded, watch: Option<Watch>) -> Result<Simulated, Failure> {
    let mut world = world_config(loaded, &loaded.config.venue)?;
    // The engine sees only its own pairs: books that nobody reads cost time.
    let wanted: Vec<String> = symbols(loaded)?.iter().map(|s| format!("{}_{}", s.base, s.quote)).collect();
    world.pairs.retain(|pair| wanted.contains(&pair.id));
    if let Some(market) = &mut world.market {
        market.pairs.retain(|pair| wanted.contains(&pair.pair));
    }
    let listen = vec![SocketAddr::from(([127, 0, 0, 1], 0)); world.venues.len()];
    start_world(world, listen, false, watch)
}

/// Starts a world on these addresses.
///
/// # Errors
/// Exit code 3 when a port can't be bound.
pub fn start_world(config: WorldConfig, listen: Vec<SocketAddr>, tls: bool, watch: Option<Watch>) -> Result<Simulated, Failure> {
    let unbound = SocketAddr::from(([127, 0, 0, 1], 0));
    let mut venues: Vec<SimulatedVenue> = config.venues.iter().map(|venue| SimulatedVenue::of(venue, unbound)).collect();
    let tls = if tls {
        Some(
            TlsMaterial::generate(&["localhost", "127.0.0.1", "::1"])
                .map_err(|e| Failure::failed(format!("no certificates can be made: {e}")))?,
        )
    } else {
        None
    };
    let (ready_sender, ready) = std_mpsc::channel();
    let (stop, stopped) = oneshot::channel();
    let thread = std::thread::Builder::new()
        .name("simulated-venues".into())
        .spawn(move || run_world(config, ServerConfig { listen, tls }, &ready_sender, stopped, watch))
        .map_err(|e| Failure::failed(format!("can't start the simulated venues: {e}")))?;
    let (addresses, ca_pem) = ready.recv().map_err(|_| Failure::failed("the simulated venues ended at once"))??;
    venues.iter_mut().zip(addresses).for_each(|(venue, address)| venue.address = address);
    Ok(Simulated { venues, ca_pem, stop: Some(stop), thread: Some(thread) })
}

/// Why the simulated venues do not serve, with the system's own word for it.
fn unserved(error: &ServeError) -> Failure {
    let cause = std::error::Error::source(error).map_or_else(String::new, |source| format!(": {source}"));
    let told = format!("the simulated venues can't start: {error}{cause}");
    match error {
        ServeError::Bind { .. } => Failure::config(format!("{told}; choose another port with --listen, or port 0 for free ones")),
        _ => Failure::failed(told),
    }
}

type Ready = std_mpsc::Sender<Result<(Vec<SocketAddr>, Option<String>), Failure>>;

fn run_world(config: WorldConfig, server: ServerConfig, ready: &Ready, mut stopped: oneshot::Receiver<()>, watch: Option<Watch>) {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            let _ = ready.send(Err(Failure::failed(format!("the simulated venues can't start: {error}"))));
            return;
        }
    };
    runtime.block_on(async {
        let now_ns = unix_now_ns();
        let handle: Result<ServerHandle, Failure> = match World::new(config, now_ns.saturating_sub(WARM_UP_NS)) {
            Ok(mut world) => {
                world.advance(now_ns);
                serve(world, server).await.map_err(|e| unserved(&e))
            }
            Err(error) => Err(Failure::failed(format!("the simulated venues can't start: {error}"))),
        };
        match handle {
            Ok(handle) => {
                let _ = ready.send(Ok((handle.addrs.clone(), handle.ca_pem.clone())));
                // Ends by request, or when whoever started us is gone.
                match watch {
                    None => {
                        let _ = stopped.await;
                    }
                    Some(watch) => loop {
                        let ends = tokio::select! {
                            _ = &mut stopped => true,
                            () = tokio::time::sleep(LOOKS_EVERY) => false,
                        };
                        let (look, behind_ns) = (watch.clone(), handle.take_behind_ns());
                        if handle.with_world(move |world| look(world, behind_ns)).await.is_err() || ends {
                            break;
                        }
                    },
                }
                let _ = handle.shutdown().await;
            }
            Err(error) => {
                let _ = ready.send(Err(error));
            }
        }
    });
}

impl Simulated {
    /// The venues as the engine connects to them: by address and key, like any other.
    ///
    /// # Errors
    /// Exit code 3 for an unknown kind.
    pub fn venues(&self, loaded: &Loaded) -> Result<Vec<VenueSetup>, Failure> {
        let mut venues = Vec::new();
        for (venue, simulated) in loaded.config.venue.iter().zip(&self.venues) {
            let connector =
                registry::connector(&venue.kind).ok_or_else(|| Failure::config(format!("no exchange `{}`", venue.kind)))?;
            let keys =
                KeyPair { key: SecretString::from(simulated.key.clone()), secret: SecretString::from(simulated.secret.clone()) };
            venues.push(VenueSetup {
                id: venue.id.clone(),
                connector,
                endpoints: simulated.endpoints(false),
                tls: TlsRoots::bundled(),
                keys: Some(keys),
                aliases: aliases(&loaded.config, &venue.id),
            });
        }
        Ok(venues)
    }

    /// Ends the venues and waits for their thread.
    pub fn stop(mut self) {
        self.end();
    }

    fn end(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Drop for Simulated {
    fn drop(&mut self) {
        self.end();
    }
}

impl SimulatedVenue {
    fn of(venue: &VenueConfig, address: SocketAddr) -> SimulatedVenue {
        let settings = venue.kind.settings();
        SimulatedVenue {
            id: venue.id.clone(),
            kind: settings.kind(),
            ws_paths: [settings.ws_paths().first().copied().unwrap_or("/"), settings.private_ws_path()],
            address,
            key: venue.api_key.clone(),
            secret: venue.api_secret.clone(),
            more_keys: settings.more_keys(venue),
        }
    }

    /// Its URLs.
    pub fn endpoints(&self, tls: bool) -> Endpoints {
        let s = if tls { "s" } else { "" };
        let [ws, private_ws] = self.ws_paths.map(|path| format!("ws{s}://{}{path}", self.address));
        Endpoints { rest: format!("http{s}://{}", self.address), ws, private_ws }
    }
}

/// The world that a configuration describes: its venues and pairs, drawn from the simulator's own universe.
///
/// # Errors
/// Exit code 3 naming a pair or kind that can't be simulated.
pub fn world_config(loaded: &Loaded, venues: &[Venue]) -> Result<WorldConfig, Failure> {
    let config = &loaded.config;
    let mut world = WorldConfig::universe(config.seed);
    let wanted: Vec<String> = symbols(loaded)?.iter().map(|s| format!("{}_{}", s.base, s.quote)).collect();
    world.add_made_up(&wanted);
    for (index, id) in wanted.iter().enumerate() {
        if !world.pairs.iter().any(|p| &p.id == id) {
            let known: Vec<String> = world.pairs.iter().map(|p| p.id.replace('_', "/")).collect();
            return Err(loaded
                .error(
                    &format!("pair[{index}].symbol"),
                    format!(
                        "the simulator has no such pair; use {}, or a made-up one, SATS/USDT, T001/USDT to T999/USDT",
                        known.join(", ")
                    ),
                )
                .into());
        }
    }
    if let Some(market) = &mut world.market {
        // Other people's clients want to know how it came to these prices.
        market.has_past = true;
        market.basis_bps = whole_bps(loaded, "sim.basis_bps", config.sim.basis_bps.0)?;
        market.volatility_bps = whole_bps(loaded, "sim.volatility_bps", config.sim.volatility_bps.0)?;
        if let Some(per_mille) = config.sim.faults.id_only_per_mille {
            market.flicker_per_mille = per_mille;
        }
        for pair in market.pairs.iter_mut().filter(|pair| config.sim.faults.quiet_pairs.contains(&pair.pair)) {
            pair.profile.slowness = QUIET_SLOWNESS;
        }
    }
    let known = |name: &String| world.pairs.iter().any(|pair| pair.id == *name);
    let (silent, quiet) = (&config.sim.faults.silent_pairs, &config.sim.faults.quiet_pairs);
    for (key, names) in [("sim.faults.silent_pairs", silent), ("sim.faults.quiet_pairs", quiet)] {
        if let Some(name) = names.iter().find(|name| !known(name)) {
            return Err(loaded.error(key, format!("the simulator has no pair {name}; write it as BTC_USDT")).into());
        }
    }
    let mut balances = Vec::new();
    for (index, balance) in config.sim.balance.iter().enumerate() {
        if !world.assets.iter().any(|asset| asset.name == balance.asset) {
            let what = format!("the simulator has no asset {}", balance.asset);
            return Err(loaded.error(&format!("sim.balance[{index}].asset"), what).into());
        }
        let amount: Decimal = balance.amount.0.to_text().parse().map_err(|_| {
            loaded
                .error(&format!("sim.balance[{index}].amount"), "the simulator can't hold so much, or not so exactly".to_owned())
        })?;
        balances.push((balance.asset.clone(), amount));
    }
    let mut simulated = Vec::new();
    for (index, venue) in venues.iter().enumerate() {
        let Some(kind) = protocols::protocol(&venue.kind, config.seed.wrapping_add(index as u64 + 1)) else {
            let (id, kind, known) = (&venue.id, &venue.kind, protocols::kinds().join(", "));
            return Err(Failure::config(format!("venue `{id}`: no simulator for `{kind}`; known: {known}")));
        };
        let mut account = simulated_venue(&world, kind, index, venue, config);
        own_assets(&world, &mut account, &wanted, &balances);
        name_assets(loaded, &world, &mut account, &wanted)?;
        simulated.push(account);
    }
    world.venues = simulated;
    Ok(world)
}

/// What the account owns at the start: of the tokens that pay fees only those that its venue takes, unless they are traded; and what the
/// configuration says.
fn own_assets(world: &WorldConfig, account: &mut VenueConfig, traded: &[String], balances: &[(String, Decimal)]) {
    let (anywhere, here) = (DeductionConfig::default(), world.exchange_config(account).deduction);
    let mut taken = Vec::new();
    if !here.gt_prices.is_empty() {
        taken.push(here.gt_asset);
    }
    if !here.point_prices.is_empty() {
        taken.push(here.point_asset);
    }
    let is_traded = |name: &str| traded.iter().any(|pair| pair.split('_').any(|asset| asset == name));
    let elsewhere = |name: &String| [&anywhere.gt_asset, &anywhere.point_asset].contains(&name) && !taken.contains(name);
    account.balances.retain(|(name, _)| is_traded(name) || !elsewhere(name));
    for name in taken {
        if !account.balances.iter().any(|(owned, _)| *owned == name) {
            account.balances.push((name, FEE_ASSET_OWNED));
        }
    }
    for (asset, amount) in balances {
        match account.balances.iter_mut().find(|(name, _)| name == asset) {
            Some(entry) => entry.1 = *amount,
            None => account.balances.push((asset.clone(), *amount)),
        }
    }
}

/// The venue lists assets under the names, and in the units, that `[[identity]]` gives them there.
fn name_assets(loaded: &Loaded, world: &WorldConfig, account: &mut VenueConfig, traded: &[String]) -> Result<(), Failure> {
    let aliases = aliases(&loaded.config, &account.id);
    let is_traded = |name: &str| traded.iter().any(|pair| pair.split('_').any(|asset| asset == name));
    for Alias { ours, theirs, tens } in aliases.iter() {
        // A traded one that has this name everywhere else has another here, or the file would be refused.
        if world.assets.iter().any(|asset| asset.name == *theirs && !is_traded(theirs)) {
            let row =
                loaded.config.identity.iter().position(|one| one.venue == account.id && one.asset == *ours).unwrap_or_default();
            let what = format!("the simulator lists another asset {theirs}; name {ours} otherwise");
            return Err(loaded.error(&format!("identity[{row}].named"), what).into());
        }
        if ours != theirs {
            account.names.push((ours.clone(), theirs.clone()));
        }
        if *tens > 0 {
            account.units.push((ours.clone(), u32::from(*tens)));
        }
    }
    Ok(())
}

fn simulated_venue(world: &WorldConfig, kind: VenueKind, index: usize, venue: &Venue, config: &Config) -> VenueConfig {
    let sim = &config.sim;
    let template = &world.venues[index % world.venues.len()];
    let fee = Decimal::new(sim.fee_bps.0.nano(), domain::number::RATE_DECIMALS).normalize();
    let mut simulated = template.clone();
    let number = index as u64 + 1;
    simulated.id.clone_from(&venue.id);
    simulated.api_key = format!("demo-key-{}", venue.id);
    simulated.api_secret = format!("demo-secret-{}", venue.id);
    simulated.user_id = 10_000 + number;
    simulated.fees = FeeRates { maker: fee, taker: fee };
    simulated.fee_debit = sim.pay_fees_in.debit();
    simulated.first_id = number * 1_000_000_000;
    simulated.first_book_id = number * 50_000_000;
    simulated.kind = kind;
    if let Some(faults) = simulated.kind.faults() {
        *faults.from_ns = WARM_UP_NS;
        sim.on_venue(&aliases(config, &venue.id)).apply_faults(faults);
    }
    if sim.key_may_withdraw {
        simulated.extra_permissions.push(("withdraw".into(), false));
    }
    simulated
}

fn whole_bps(loaded: &Loaded, path: &str, rate: Rate) -> Result<u32, Failure> {
    let nano = rate.nano();
    let whole = u32::try_from(nano / 100_000).ok().filter(|_| nano % 100_000 == 0);
    whole.ok_or_else(|| loaded.error(path, "the simulator takes whole basis points, not negative").into())
}
