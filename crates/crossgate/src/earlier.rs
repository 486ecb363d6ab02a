//! What an earlier run left in the run directory, and whether today's configuration can still tell it.
//!
//! The log speaks our names and counts in our units; what a venue calls an asset, and how it counts it, stands in the configuration
//! alone. So the configuration that the last run was started with, which its log keeps, is held against today's: of what is left, a
//! venue must be asked for what was traded there, and not for another token of that name. The quotes of pairs that are kept must be
//! worth something, too.
//!
//! Start at [`Earlier::read`].

use crate::config::check::unvalued;
use crate::config::schema::Identity;
use crate::config::{ConfigError, Loaded, effective};
use crate::exit::Failure;
use crate::run::log_failure;
use crate::say;
use crate::setup::aliases_in;
use domain::{Symbol, Tables};
use engine_core::Engine;
use journal::{Record, RunDir};
use node::Logged;
use serde::Deserialize;
use std::collections::BTreeMap;
use venue::Aliases;

/// The state logs of a run directory, and what the run that wrote the newest of them called things.
pub struct Earlier {
    /// What they hold.
    pub logged: Logged,
    then: Names,
    left: Vec<Left>,
}

/// The part of a logged configuration that says what venues call things. Other builds may have had other keys beside it.
#[derive(Debug, Default, Deserialize)]
struct Names {
    #[serde(default)]
    venue: Vec<VenueName>,
    #[serde(default)]
    identity: Vec<Identity>,
}

#[derive(Debug, Deserialize)]
struct VenueName {
    id: String,
}

/// An asset of which something is left on a venue.
#[derive(Debug)]
struct Left {
    venue: String,
    asset: String,
    /// What is left.
    what: String,
    /// How that gets settled.
    settled: &'static str,
}

impl Earlier {
    /// What the run directory's state logs hold, before any table is built.
    ///
    /// # Errors
    /// Exit code 1 for logs that can't be read.
    pub fn read(loaded: &Loaded, dir: &RunDir) -> Result<Earlier, Failure> {
        let settings = effective::engine_config(&loaded.config, &Tables::default());
        let logged = Logged::read(&settings, dir.state_records().map_err(|e| log_failure(&e))?).map_err(Failure::failed)?;
        // A log without a whole checkpoint is one of a run that had not begun: whatever is left, the newest one with such a
        // checkpoint, or one before it, left it.
        let mut records =
            dir.state_records().and_then(|records| records.from_checkpoint(u64::MAX)).map_err(|e| log_failure(&e))?;
        let then = match records.next().transpose().map_err(|e| log_failure(&e))? {
            Some((epoch, Record::Header(header))) => toml::from_str(&header.config).map_err(|e| {
                Failure::failed(format!(
                    "the configuration in the state log of epoch {epoch} can't be read: {}; start with the build that wrote it",
                    e.message()
                ))
            })?,
            _ => Names::default(),
        };
        let mut engine = Engine::of_logs(&settings, logged.tables());
        logged.recover(&mut engine).map_err(Failure::failed)?;
        let left = left(&engine, &logged);
        Ok(Earlier { logged, then, left })
    }

    /// Whether every venue still has the name and the unit that an asset had there when what is left of it came about.
    ///
    /// # Errors
    /// What is left, and how it was called.
    pub fn check_identity(&self, loaded: &Loaded) -> Result<(), ConfigError> {
        let config = &loaded.config;
        let both = |id: &&str| config.venue.iter().any(|venue| venue.id == **id);
        let venues: BTreeMap<&str, [Aliases; 2]> = (self.then.venue.iter().map(|venue| venue.id.as_str()))
            .filter(both)
            .map(|id| (id, [&self.then.identity, &config.identity].map(|identity| aliases_in(identity, id))))
            .collect();
        for Left { venue, asset, what, settled } in &self.left {
            let Some([then, now]) = venues.get(venue.as_str()) else { continue };
            let is_same = (then.theirs(asset), then.tens(asset)) == (now.theirs(asset), now.tens(asset));
            // What another asset is called there now is none of this one.
            if is_same && now.ours(now.theirs(asset)) == Some(asset) {
                continue;
            }
            let row = config.identity.iter().position(|one| (&one.venue, &one.asset) == (venue, asset));
            let path = row.map_or_else(|| "identity".to_string(), |index| format!("identity[{index}]"));
            let told = |aliases: &Aliases| called(aliases, asset);
            let now = match now.ours(now.theirs(asset)) {
                Some(other) if other != asset => format!("{}, which is {other} now", now.theirs(asset)),
                _ => format!("{} now", told(now)),
            };
            return Err(loaded.error(
                &path,
                format!(
                    "{what} is left from an earlier run; {asset} on `{venue}` was {}, and is {now}: leave its [[identity]] as it \
                     was until {settled}",
                    told(then)
                ),
            ));
        }
        Ok(())
    }
}

/// What a venue calls an asset, and how it counts it.
fn called(aliases: &Aliases, asset: &str) -> String {
    match aliases.tens(asset) {
        0 => aliases.theirs(asset).to_string(),
        tens => format!("{}, 1{} of ours,", aliases.theirs(asset), "0".repeat(usize::from(tens))),
    }
}

/// Of which assets something is left where: of pairs with something open on every venue, since any of them may be used to settle
/// it; of balances where they are ([`Logged::assets_held`]).
fn left(engine: &Engine, logged: &Logged) -> Vec<Left> {
    let (tables, executor) = (engine.tables(), engine.executor());
    let mut left = Vec::new();
    for symbol in logged.pairs_open() {
        for asset in [&symbol.base, &symbol.quote] {
            left.extend(tables.venues.iter().map(|venue| Left {
                venue: venue.clone(),
                asset: asset.clone(),
                what: format!("an open order or deal of {symbol}"),
                settled: "`crossgate run` has settled it",
            }));
        }
    }
    let paired = |name: &str| tables.pairs.iter().any(|info| info.symbol.base == name || info.symbol.quote == name);
    for (venue, asset, cell) in executor.ledger().holdings() {
        let (id, name) = (tables.venue(venue), tables.asset(asset));
        let is_empty = cell.total.is_zero() && cell.elsewhere.is_zero();
        if !is_empty && (executor.was_traded(venue, asset) || !paired(name)) {
            left.push(Left {
                venue: id.to_string(),
                asset: name.to_string(),
                what: format!("a balance of {name} that was traded"),
                settled: "it is moved away there and `crossgate reconcile` has seen that",
            });
        }
    }
    left
}

/// Whether the quote of every pair is worth something, those among them that are kept for what is open of them; else no limit could
/// be stated, and nothing would be opened for the whole run.
///
/// # Errors
/// The pair that is kept, and what has to stay for it.
pub fn check_worth(loaded: &Loaded, pairs: &[Symbol]) -> Result<(), ConfigError> {
    let reference = loaded.config.risk.as_ref().and_then(|risk| risk.reference.as_deref());
    let Some(kept) = unvalued(reference, pairs) else { return Ok(()) };
    let open = format!("{kept} is not in the configuration, and something of it is open");
    let what = match reference {
        Some(reference) => format!(
            "{open}, which nothing values in {reference}: keep {}/{reference} in [[pair]] until `crossgate run` has settled it",
            kept.quote
        ),
        None => format!(
            "{open} in {}, while [[pair]] quotes in {}: keep the reference, and the pair that values {} in it, until `crossgate run` \
             has settled it",
            kept.quote,
            pairs.first().map_or("", |first| &first.quote),
            kept.quote
        ),
    };
    Err(loaded.error("risk.reference", what))
}

/// Says which rows of `[[identity]]` are of no use to a run with these pairs, over these balances.
pub fn tell_unused(loaded: &Loaded, pairs: &[Symbol], held: &[String]) {
    let used = |asset: &String| pairs.iter().any(|s| s.base == *asset || s.quote == *asset) || held.contains(asset);
    for one in loaded.config.identity.iter().filter(|one| !used(&one.asset)) {
        let (asset, venue) = (&one.asset, &one.venue);
        say::line(format_args!(
            "[[identity]] of {asset} on `{venue}`: no pair uses it and nothing of it is left; remove it or correct it"
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::load::load_text;
    use crate::setup::{Setup, prepare_over};
    use crate::testing::state_header;
    use domain::{
        Amount, AssetId, CheckpointItem, Fill, InstrumentKind, MonoNanos, OrderSource, PairId, PairInfo, PairScale, Price, Qty,
        Role, Side, TradeId, VenueId, VenueOrderId,
    };
    use journal::{Header, LogSink};
    use tempfile::TempDir;

    const VENUES: [&str; 3] = ["gate", "binance", "bybit"];

    fn symbol(text: &str) -> Symbol {
        Symbol::parse(text).unwrap()
    }

    /// The demo's three venues with these pairs, and further lines.
    fn config(pairs: &[&str], more: &str) -> Loaded {
        config_over(crate::run::DEMO, pairs, more)
    }

    /// The same with limits in USDT, whatever the pairs quote in.
    fn referring(pairs: &[&str]) -> Loaded {
        config_over(&crate::run::DEMO.replacen("\n[risk]", "\n[risk]\nreference = \"USDT\"\n#", 1), pairs, "")
    }

    fn config_over(text: &str, pairs: &[&str], more: &str) -> Loaded {
        let (head, rest) = text.split_once("[[pair]]").unwrap();
        let (_, rest) = rest.split_once("[strategy]").unwrap();
        let pairs: String = pairs.iter().map(|pair| format!("[[pair]]\nsymbol = \"{pair}\"\n")).collect();
        let text = format!("{head}{pairs}[strategy]{rest}\n{more}");
        load_text("demo.toml", &text, &BTreeMap::new()).unwrap_or_else(|error| panic!("{error}"))
    }

    fn identity(asset: &str, venue: &str, more: &str) -> String {
        format!("[[identity]]\nasset = \"{asset}\"\nvenue = \"{venue}\"\n{more}\n")
    }

    fn tables(pairs: &[&str]) -> Tables {
        let symbols: Vec<Symbol> = pairs.iter().map(|pair| symbol(pair)).collect();
        let mut assets: Vec<String> = symbols.iter().flat_map(|s| [s.base.clone(), s.quote.clone()]).collect();
        assets.sort();
        assets.dedup();
        let id = |name: &str| AssetId(assets.iter().position(|asset| asset == name).unwrap() as u16);
        let info = |symbol: &Symbol| PairInfo {
            symbol: symbol.clone(),
            kind: InstrumentKind::Spot,
            base: id(&symbol.base),
            quote: id(&symbol.quote),
            scale: PairScale::new(4, 4).unwrap(),
        };
        Tables { venues: VENUES.map(String::from).to_vec(), pairs: symbols.iter().map(info).collect(), assets: assets.clone() }
    }

    /// An execution whose order is not known: something of the pair is open.
    fn open(tables: &Tables, pair: &str) -> CheckpointItem {
        let fill = Fill {
            venue: VenueId(0),
            pair: tables.pair_id(&symbol(pair)).unwrap(),
            trade_id: TradeId::new("t1").unwrap(),
            client_id: None,
            venue_order_id: VenueOrderId::new("v1").unwrap(),
            side: Side::Buy,
            price: Price::from_units(5_000).unwrap(),
            qty: Qty::from_units(10_000).unwrap(),
            quote: None,
            fees: Default::default(),
            role: Role::Taker,
            executed_at: None,
            source: OrderSource::Stream,
            received: MonoNanos(1),
        };
        CheckpointItem::EarlyFill { fill }
    }

    /// A balance of the first pair's base that was traded on a venue.
    fn held(tables: &Tables, venue: VenueId) -> [CheckpointItem; 2] {
        let (pair, asset) = (PairId(0), tables.pairs[0].base);
        let total = Amount::from_units(domain::number::AMOUNT_ONE);
        [
            CheckpointItem::Holding { venue, asset, total, elsewhere: Amount::ZERO, used: true },
            CheckpointItem::Booked { venue, pair, trade_id: TradeId::new("t1").unwrap(), executed: None },
        ]
    }

    /// A run directory in which a run with this configuration left this.
    fn left_by(then: &Loaded, tables: &Tables, items: &[CheckpointItem]) -> (TempDir, RunDir) {
        let place = tempfile::tempdir().unwrap();
        let mut dir = RunDir::open(place.path()).unwrap();
        let tail = dir.state_records().unwrap().finish().unwrap();
        let epoch = dir.next_epoch(1_700_000_000).unwrap();
        let config = toml::to_string(&then.config).unwrap();
        let header = Header { config, tables: tables.clone(), ..state_header(epoch) };
        let mut log = dir.create_state(&header, &tail).unwrap();
        log.append_checkpoint(items, true).unwrap();
        log.flush().unwrap();
        (place, dir)
    }

    /// A start without a venue that could be asked: it gets as far as the tables, or not.
    fn start(now: &Loaded, dir: &RunDir) -> Result<Setup, Failure> {
        let mut earlier = Earlier::read(now, dir)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(prepare_over(now, Vec::new(), &mut earlier))
    }

    #[track_caller]
    fn refused(now: &Loaded, dir: &RunDir, parts: &[&str]) {
        let failure = start(now, dir).err().unwrap_or_else(|| panic!("a start that should say {parts:?}"));
        assert_eq!(failure.code, 3, "{failure}");
        parts.iter().for_each(|part| assert!(failure.message.contains(part), "`{part}` should be said: {failure}"));
    }

    #[track_caller]
    fn starts(now: &Loaded, dir: &RunDir) {
        assert_eq!(start(now, dir).err(), None);
    }

    #[test]
    fn what_is_open_has_its_names_and_units_on_every_venue() {
        let ripple = identity("XRP", "binance", "named = \"RIPPLE\"");
        let then = config(&["BTC/USDT", "XRP/USDT"], &ripple);
        let tables = tables(&["BTC/USDT", "XRP/USDT"]);
        let (_place, dir) = left_by(&then, &tables, &[open(&tables, "XRP/USDT")]);
        let both = |more: &str| config(&["BTC/USDT", "XRP/USDT"], more);
        let one = |more: &str| config(&["BTC/USDT"], more);
        for now in [both, one] {
            starts(&now(&ripple), &dir);
            // An attestation alone is no name, and the name of what nothing is left of is nobody's matter.
            starts(&now(&(ripple.clone() + &identity("XRP", "gate", "") + &identity("BTC", "gate", "named = \"XBT\""))), &dir);
            let open = "an open order or deal of XRP/USDT is left";
            refused(
                &now(""),
                &dir,
                &["demo.toml", open, "XRP on `binance` was RIPPLE", "is XRP now", "as it was until `crossgate run`"],
            );
            let thousand = identity("XRP", "binance", "named = \"RIPPLE\"\nmultiplier = 1000");
            refused(&now(&thousand), &dir, &["was RIPPLE, and is RIPPLE, 1000 of ours, now"]);
            let elsewhere = ripple.clone() + &identity("XRP", "gate", "multiplier = 10");
            refused(&now(&elsewhere), &dir, &["identity[1]: ", "XRP on `gate` was XRP, and is XRP, 10 of ours, now"]);
        }
        // Another asset has its name there.
        let (_place, plain) = left_by(&both(""), &tables, &[open(&tables, "XRP/USDT")]);
        let taken = identity("PEPE", "gate", "named = \"XRP\"");
        refused(&one(&taken), &plain, &["XRP on `gate` was XRP, and is XRP, which is PEPE now"]);
        // A venue that is new has whatever name it has.
        let (head, tail) = crate::run::DEMO.split_once("[[venue]]\nid = \"bybit\"").unwrap();
        let (_, tail) = tail.split_once("[[pair]]").unwrap();
        let fewer = load_text("demo.toml", &format!("{head}[[pair]]{tail}"), &BTreeMap::new()).unwrap();
        let two = Tables { venues: VENUES[..2].iter().map(|id| (*id).to_string()).collect(), ..tables.clone() };
        let (_place, fewer) = left_by(&fewer, &two, &[open(&tables, "XRP/USDT")]);
        starts(&both(&identity("XRP", "bybit", "named = \"RIPPLE\"")), &fewer);
    }

    #[test]
    fn a_balance_that_was_traded_has_its_name_where_it_is() {
        let tables = tables(&["XRP/USDT", "BTC/USDT"]);
        let (_place, dir) = left_by(&config(&["XRP/USDT", "BTC/USDT"], ""), &tables, &held(&tables, VenueId(1)));
        for pairs in [&["XRP/USDT", "BTC/USDT"][..], &["BTC/USDT"]] {
            let named = |venue: &str| config(pairs, &identity("XRP", venue, "named = \"RIPPLE\""));
            starts(&config(pairs, ""), &dir);
            starts(&named("gate"), &dir);
            refused(
                &named("binance"),
                &dir,
                &[
                    "identity[0]: a balance of XRP that was traded is left",
                    "XRP on `binance` was XRP, and is RIPPLE now",
                    "until it is moved away there and `crossgate reconcile` has seen that",
                ],
            );
        }
        // Without a trade it is none of the engine's business.
        let (_place, dir) = left_by(&config(&["XRP/USDT"], ""), &tables, &held(&tables, VenueId(1))[..1]);
        starts(&config(&["XRP/USDT"], &identity("XRP", "binance", "named = \"RIPPLE\"")), &dir);
    }

    #[test]
    fn the_names_are_those_of_the_newest_run_that_began() {
        let tables = tables(&["XRP/USDT"]);
        let ripple = identity("XRP", "binance", "named = \"RIPPLE\"");
        let (plain, named) = (config(&["XRP/USDT"], ""), config(&["XRP/USDT"], &ripple));
        let (_place, mut dir) = left_by(&plain, &tables, &[]);
        let begin = |dir: &mut RunDir, with: &Loaded, whole: bool| {
            let header = {
                let mut records = dir.state_records().unwrap();
                let Some(Ok((_, Record::Header(header)))) = records.next() else { panic!("a header") };
                Header { config: toml::to_string(&with.config).unwrap(), ..header }
            };
            let tail = dir.state_records().unwrap().finish().unwrap();
            dir.next_epoch(0).unwrap();
            let mut log = dir.create_state(&header, &tail).unwrap();
            log.append_checkpoint(&[open(&tables, "XRP/USDT")], whole).unwrap();
            log.flush().unwrap();
        };
        begin(&mut dir, &named, true);
        starts(&named, &dir);
        refused(&plain, &dir, &["was RIPPLE"]);
        // Killed before it was there: it sent nothing.
        begin(&mut dir, &plain, false);
        starts(&named, &dir);
        refused(&plain, &dir, &["was RIPPLE"]);
    }

    #[test]
    fn a_pair_that_is_kept_needs_what_its_quote_is_worth() {
        let dollars = ["BTC/USDT", "BTC/USDC", "USDC/USDT"];
        let tables = tables(&dollars);
        let (_place, dir) = left_by(&referring(&dollars), &tables, &[open(&tables, "BTC/USDC")]);
        refused(
            &config(&["BTC/USDT"], ""),
            &dir,
            &[
                "risk.reference: BTC/USDC is not in the configuration, and something of it is open in USDC",
                "quotes in USDT: keep the reference, and the pair that values USDC in it, until `crossgate run` has settled it",
            ],
        );
        refused(&referring(&["BTC/USDT"]), &dir, &["which nothing values in USDT: keep USDC/USDT in [[pair]] until"]);
        starts(&referring(&["BTC/USDT", "USDC/USDT"]), &dir);
        starts(&referring(&dollars), &dir);
        // What is kept in the only quote, or in one of them, needs nothing.
        let (_place, dir) = left_by(&referring(&dollars), &tables, &[open(&tables, "USDC/USDT")]);
        starts(&config(&["BTC/USDT"], ""), &dir);
    }
}
