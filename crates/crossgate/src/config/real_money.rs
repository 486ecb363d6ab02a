//! What stands between a configuration and real money: the hosts it would trade on, and small caps on its limits until they
//! are lifted by name.
//!
//! Whatever no connector knows as a test network or as this machine counts as live.

use super::check::host_class;
use super::load::{ConfigError, Loaded};
use super::schema::{Mode, Risk};
use crate::registry;
use domain::{Amount, Symbol};
use serde_json::{Value, json};
use std::fmt::Write as _;
use venue::HostClass;

/// The key that lifts the caps.
const LIFT: &str = "live_caps_lifted";
/// Largest value of one order on live hosts, reference quote.
const ORDER_VALUE: i128 = 25;
/// Largest value of one deal on live hosts.
const DEAL_VALUE: i128 = 25;
/// Largest unhedged value on live hosts.
const UNHEDGED_VALUE: i128 = 50;
/// Largest loss of a day on live hosts.
const DAILY_LOSS: i128 = 10;
/// Deals open at once on live hosts.
const OPEN_DEALS: u32 = 1;
/// Assets of which one is worth about a dollar or a euro: what the caps above are counted in.
const DOLLARS: [&str; 13] =
    ["USDT", "USDC", "USD", "FDUSD", "TUSD", "USD1", "USDE", "RLUSD", "PYUSD", "DAI", "EUR", "EURC", "EURI"];

/// True when any host of the configuration may trade with real money.
pub fn on_live_hosts(loaded: &Loaded) -> bool {
    loaded.config.mode == Mode::Live && loaded.config.venue.iter().any(|venue| host_class(venue) == HostClass::Live)
}

/// The asset that limits are stated in.
fn reference(loaded: &Loaded) -> Option<String> {
    let stated = loaded.config.risk.as_ref().and_then(|risk| risk.reference.clone());
    stated.or_else(|| {
        loaded.config.pair.first().and_then(|pair| Symbol::parse(&pair.symbol).ok()).map(|symbol| symbol.quote.to_string())
    })
}

/// Refuses limits above the caps, unless they are lifted.
///
/// # Errors
/// The first key above its cap, and how to lift it.
pub fn check(loaded: &Loaded) -> Result<(), ConfigError> {
    let Some(risk) = loaded.config.risk.as_ref().filter(|risk| !risk.live_caps_lifted && on_live_hosts(loaded)) else {
        return Ok(());
    };
    if let Some(reference) = reference(loaded).filter(|asset| !DOLLARS.contains(&asset.as_str())) {
        let what = format!(
            "the caps on live hosts are dollars, and these limits are in {reference}; name one of {} that a pair uses, or set {LIFT} = true \
             in [risk] to accept larger losses",
            DOLLARS.join(", ")
        );
        return Err(loaded.error("risk.reference", what));
    }
    let whole = |n: i128| Amount::from_units(n * domain::number::AMOUNT_ONE);
    let caps = [
        ("order_value_max", risk.order_value_max.0, ORDER_VALUE),
        ("deal_value_max", risk.deal_value_max.0, DEAL_VALUE),
        ("unhedged_value_max", risk.unhedged_value_max.0, UNHEDGED_VALUE),
        ("daily_loss_max", risk.daily_loss_max.0, DAILY_LOSS),
    ];
    let refuse = |key: &str, is: String, cap: String| {
        let what = format!(
            "{is} is above {cap}, the cap on live hosts; lower it, or set {LIFT} = true in [risk] to accept larger losses"
        );
        Err(loaded.error(&format!("risk.{key}"), what))
    };
    if let Some((key, is, cap)) = caps.into_iter().find(|(_, is, cap)| *is > whole(*cap)) {
        return refuse(key, is.to_text(), cap.to_string());
    }
    if risk.open_deals_max > OPEN_DEALS {
        return refuse("open_deals_max", risk.open_deals_max.to_string(), OPEN_DEALS.to_string());
    }
    Ok(())
}

/// Hosts and limits of a run with orders, in plain words.
pub struct Summary {
    hosts: Vec<(String, String, HostClass, [String; 3])>,
    risk: Risk,
    reference: String,
}

/// What a run on live hosts puts at stake; `None` for every other configuration.
pub fn summary(loaded: &Loaded) -> Option<Summary> {
    if on_live_hosts(loaded) { stakes(loaded) } else { None }
}

/// As [`summary`], for every run that sends orders to venues of somebody else.
pub fn stakes(loaded: &Loaded) -> Option<Summary> {
    let config = &loaded.config;
    let risk = config.risk.clone().filter(|_| config.mode == Mode::Live)?;
    let host = |venue: &super::schema::Venue| {
        let at = registry::endpoints(venue, registry::connector(&venue.kind)?);
        Some((venue.id.clone(), venue.kind.clone(), host_class(venue), [at.rest, at.ws, at.private_ws]))
    };
    Some(Summary {
        hosts: config.venue.iter().filter_map(host).collect(),
        risk,
        reference: reference(loaded).unwrap_or_default(),
    })
}

fn class_text(class: HostClass) -> &'static str {
    match class {
        HostClass::Live => "LIVE, real money",
        HostClass::Testnet => "testnet",
        HostClass::Loopback => "this machine",
    }
}

impl Summary {
    /// A few lines for people.
    pub fn text(&self) -> String {
        let mut text = String::from("Orders go to:\n");
        for (id, kind, class, [rest, ws, private]) in &self.hosts {
            let private = if private == ws { String::new() } else { format!(", {private}") };
            let _ = writeln!(text, "  {id} ({kind}, {}): {rest}, {ws}{private}", class_text(*class));
        }
        let risk = &self.risk;
        let _ = writeln!(text, "Limits, in {}:", self.reference);
        let _ = writeln!(text, "  one order at most {}, one deal at most {} a leg", risk.order_value_max, risk.deal_value_max);
        let _ = writeln!(
            text,
            "  {} open at once, {} orders a second, unhedged at most {}",
            if risk.open_deals_max == 1 { "1 deal".into() } else { format!("{} deals", risk.open_deals_max) },
            risk.orders_per_second_max.unwrap_or(super::effective::ORDERS_PER_SECOND),
            risk.unhedged_value_max
        );
        let _ = write!(text, "  a loss of {} since midnight UTC stops trading until a person resumes", risk.daily_loss_max);
        for floor in &risk.floor {
            let _ = write!(text, "\n  {} {} on {} are never touched", floor.amount, floor.asset, floor.venue);
        }
        if risk.live_caps_lifted {
            let _ = write!(text, "\n  the small caps on live hosts are lifted ({LIFT})");
        }
        text
    }

    /// The same for scripts.
    pub fn json(&self) -> Value {
        let hosts = self.hosts.iter().map(|(id, kind, class, [rest, ws, private])| {
            let class = match class {
                HostClass::Live => "live",
                HostClass::Testnet => "testnet",
                HostClass::Loopback => "loopback",
            };
            json!({"venue": id, "kind": kind, "class": class, "rest": rest, "ws": ws, "private_ws": private})
        });
        json!({"hosts": hosts.collect::<Vec<_>>(), "risk": self.risk})
    }
}
