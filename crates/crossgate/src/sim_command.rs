//! `sim`: the simulated venues alone, as servers, for engines and other people's clients.

use crate::cli::SimArgs;
use crate::config::load;
use crate::config::schema::Venue;
use crate::demo;
use crate::exit::Failure;
use crate::record::Signals;
use crate::report::print_json;
use crate::sim_told::Teller;
use serde_json::json;
use sim_exchange::protocols;
use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;

/// Serves until a signal.
///
/// # Errors
/// Exit code 2 for arguments, 3 for a configuration or a port that can't be bound.
pub fn sim_command(args: &SimArgs) -> Result<(), Failure> {
    let mut loaded = match &args.config {
        Some(path) => load(path)?,
        None => crate::config::load::load_built_in("demo.toml", crate::run::DEMO)?,
    };
    if let Some(seed) = args.seed {
        loaded.config.seed = seed;
    }
    if !args.venue.is_empty() {
        let template = loaded.config.venue.first().cloned().ok_or_else(|| Failure::usage("no venue to simulate"))?;
        loaded.config.venue = named_venues(&args.venue, &template)?;
    }
    let first: SocketAddr = args
        .listen
        .parse()
        .map_err(|_| Failure::usage(format!("--listen: `{}` is no address and port; write 127.0.0.1:0", args.listen)))?;
    if !first.ip().is_loopback() {
        return Err(Failure::usage(format!(
            "--listen: {first} is reachable from other hosts; simulated venues serve loopback addresses only"
        )));
    }
    let world = demo::world_config(&loaded, &loaded.config.venue)?;
    let pairs: Vec<String> = world.pairs.iter().map(|pair| pair.id.clone()).collect();
    let port = |index: usize| match first.port() {
        0 => Some(0),
        port => u16::try_from(index).ok().and_then(|index| port.checked_add(index)),
    };
    let listen: Option<Vec<SocketAddr>> =
        (0..world.venues.len()).map(|index| port(index).map(|port| SocketAddr::new(first.ip(), port))).collect();
    let listen = listen.ok_or_else(|| Failure::usage(format!("--listen: {first} leaves no port for every venue")))?;
    let (watch, teller) = Teller::start(args.json).map_err(|e| Failure::failed(format!("nobody can tell what strikes: {e}")))?;
    let simulated = demo::start_world(world, listen, args.tls, Some(watch))?;
    let ca_file = simulated.ca_pem.as_ref().map(|pem| write_ca(pem)).transpose()?;
    let venues: Vec<_> = simulated
        .venues
        .iter()
        .map(|venue| {
            let endpoints = venue.endpoints(args.tls);
            let mut entry = json!({"id": venue.id, "kind": venue.kind, "rest": endpoints.rest, "ws": endpoints.ws,
                                   "private_ws": endpoints.private_ws, "key": venue.key, "secret": venue.secret});
            if !venue.more_keys.is_empty() {
                let more = venue.more_keys.iter();
                entry["more_keys"] =
                    more.map(|more| json!({"type": more.algorithm, "key": more.key, "secret": more.secret})).collect();
            }
            if let Some(path) = &ca_file {
                entry["ca_file"] = json!(path.display().to_string());
            }
            entry
        })
        .collect();
    // Whoever reads the first line may end us at once.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Failure::failed)?;
    let mut signals = {
        let _entered = runtime.enter();
        Signals::new()?
    };
    print_json(&json!({ "venues": venues }).to_string());
    let faults = loaded.config.sim.faults_seed.map(|seed| format!(", faults drawn from seed {seed}")).unwrap_or_default();
    crate::say::line(format_args!(
        "simulated venues serve {} until Ctrl-C (seed {}{faults})",
        pairs.join(" "),
        loaded.config.seed
    ));
    runtime.block_on(signals.any());
    simulated.stop();
    teller.end();
    if let Some(path) = ca_file {
        let _ = std::fs::remove_file(path);
    }
    Ok(())
}

fn named_venues(names: &[String], template: &Venue) -> Result<Vec<Venue>, Failure> {
    let mut venues: Vec<Venue> = Vec::new();
    for (index, name) in names.iter().enumerate() {
        let (kind, id) = name
            .split_once(':')
            .map_or((name.as_str(), format!("{name}-{}", (b'a' + (index % 26) as u8) as char)), |(k, i)| (k, i.to_string()));
        let known = protocols::kinds();
        if !known.contains(&kind) {
            return Err(Failure::usage(format!("--venue {name}: no simulator for `{kind}`; known: {}", known.join(", "))));
        }
        // It stands in keys, which go into headers.
        if !(1..=64).contains(&id.len()) || !id.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(Failure::usage(format!("--venue {name}: `{id}` is no id; write 1 to 64 visible ASCII characters")));
        }
        if venues.iter().any(|v| v.id == id) {
            return Err(Failure::usage(format!("--venue {name}: the id `{id}` is used twice")));
        }
        venues.push(Venue { id, kind: kind.into(), ..template.clone() });
    }
    Ok(venues)
}

fn write_ca(pem: &str) -> Result<PathBuf, Failure> {
    let path = std::env::temp_dir().join(format!("crossgate-sim-ca-{}.pem", std::process::id()));
    // A file of its own: whatever stood there before, a link of somebody else's too, goes and is not followed.
    let _ = std::fs::remove_file(&path);
    let made = std::fs::OpenOptions::new().write(true).create_new(true).open(&path);
    made.and_then(|mut file| file.write_all(pem.as_bytes()))
        .map_err(|e| Failure::failed(format!("can't write the authority to {}: {e}", path.display())))?;
    Ok(path)
}
