//! One scale per pair: the finest precision that any configured venue uses, the same on all of them. What a state log holds was counted in
//! the scales of its day: they stay where there is room for them, so that a venue whose tick grows leaves every logged number exact.

use crate::aliases::Aliases;
use crate::connector::RawRules;
use domain::number::AMOUNT_DECIMALS;
use domain::{Amount, AssetId, InstrumentKind, InstrumentRules, PairInfo, PairScale, Qty, Symbol, Tables, VenueId};
use rust_decimal::Decimal;

/// Decimals of the tick and of quantities together, to which executions finer than orders get room: a quote value of 10⁻¹² is below
/// any venue's own ledger, and the range of quantities stays above 10⁶ of any asset.
const VALUE_DECIMALS_WANTED: u8 = 12;

/// Why the configured pairs can't be put on one scale.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TableError {
    /// Price and quantity decimals add to more than 18.
    #[error(
        "{symbol}: {price} price decimals and {qty} quantity decimals are more than 18 together, so values would not be exact"
    )]
    TooFine {
        /// Which pair.
        symbol: Symbol,
        /// Finest price decimals.
        price: u8,
        /// Finest quantity decimals.
        qty: u8,
    },
    /// The same, because a venue counts the base asset in units of 10^`tens` of ours.
    #[error(
        "{symbol}: one of {venue}'s is 10^{tens} of ours, which makes {price} price decimals and {qty} quantity decimals, more than 18 \
         together, so values would not be exact; remove the pair or that [[identity]]"
    )]
    UnitTooLarge {
        /// Which pair.
        symbol: Symbol,
        /// The venue of the largest unit.
        venue: String,
        /// Its power of ten.
        tens: u8,
        /// Finest price decimals, in our unit.
        price: u8,
        /// Finest quantity decimals, in our unit.
        qty: u8,
    },
    /// A scale that was fixed without a venue's unit of the base asset.
    #[error("{symbol}: one unit there is 10^{tens} of ours, and the pair's scale of {price} price decimals has no room for it")]
    UnitDoesNotFit {
        /// Which pair.
        symbol: Symbol,
        /// The unit's power of ten.
        tens: u8,
        /// Price decimals of the pair.
        price: u8,
    },
    /// Two venues list different contracts under one symbol.
    #[error("{symbol}: the venues' contracts differ ({one:?} and {other:?}), so their quantities can't be compared")]
    KindsDiffer {
        /// Which pair.
        symbol: Symbol,
        /// The first venue's.
        one: InstrumentKind,
        /// Another venue's.
        other: InstrumentKind,
    },
    /// A limit that does not fit the scale.
    #[error("{symbol} on {venue}: the venue's {what} {value} does not fit the pair's scale")]
    BadLimit {
        /// Which pair.
        symbol: Symbol,
        /// Which venue.
        venue: String,
        /// Which limit.
        what: &'static str,
        /// Its value.
        value: Decimal,
    },
    /// More than fits the dense ids.
    #[error("too many {0}")]
    TooMany(&'static str),
}

/// Builds the tables and each venue's rules in them. `venues` are (configured id, rules of the pairs that this venue lists);
/// every pair of `symbols` appears in the tables, in order. `fee_assets` are added to the assets of the pairs.
///
/// # Errors
/// [`TableError`] names the pair, venue and limit.
pub fn build_tables(
    symbols: &[Symbol],
    venues: &[(String, Vec<RawRules>)],
    fee_assets: &[&str],
) -> Result<(Tables, Vec<InstrumentRules>), TableError> {
    build_tables_in_units(symbols, venues, &[], fee_assets)
}

/// As [`build_tables`], where venues count assets in units of their own: `aliases` in the order of `venues`, none for those beyond its
/// end. Rules have our names and the venue's decimals and limits; the scales have room for every venue's unit, so that
/// [`Aliases::tables`] of these tables holds.
///
/// # Errors
/// [`TableError`] names the pair, venue and limit.
pub fn build_tables_in_units(
    symbols: &[Symbol],
    venues: &[(String, Vec<RawRules>)],
    aliases: &[Aliases],
    fee_assets: &[&str],
) -> Result<(Tables, Vec<InstrumentRules>), TableError> {
    build_tables_over(symbols, venues, aliases, fee_assets, &Tables::default())
}

/// As [`build_tables_in_units`], over a state log with these tables: no scale is coarser than the log's, as far as today's rules leave
/// room for it, and a pair that no venue lists any more keeps its kind. Names that only the log has are not added: `symbols` and
/// `fee_assets` tell which of them are kept.
///
/// # Errors
/// [`TableError`] names the pair, venue and limit.
pub fn build_tables_over(
    symbols: &[Symbol],
    venues: &[(String, Vec<RawRules>)],
    aliases: &[Aliases],
    fee_assets: &[&str],
    logged: &Tables,
) -> Result<(Tables, Vec<InstrumentRules>), TableError> {
    if venues.len() > usize::from(u8::MAX) {
        return Err(TableError::TooMany("venues"));
    }
    if symbols.len() > usize::from(u16::MAX) / 4 {
        return Err(TableError::TooMany("pairs"));
    }
    let mut assets: Vec<String> =
        symbols.iter().flat_map(|s| [Some(&s.base), Some(&s.quote), s.settle.as_ref()]).flatten().cloned().collect();
    assets.extend(fee_assets.iter().map(|a| (*a).to_string()));
    assets.sort();
    assets.dedup();
    let asset = |name: &str| AssetId(assets.binary_search_by(|a| a.as_str().cmp(name)).unwrap_or_default() as u16);

    let mut pairs = Vec::new();
    for symbol in symbols {
        let tens_of = |venue: usize| aliases.get(venue).map_or(0, |aliases| aliases.tens(&symbol.base));
        let listed_by = || venues.iter().enumerate().flat_map(|(venue, (_, rules))| rules.iter().map(move |r| (venue, r)));
        let listed_in_units = || listed_by().filter(|(_, r)| &r.symbol == symbol).map(|(venue, r)| (tens_of(venue), r));
        let listed = || listed_in_units().map(|(_, r)| r);
        // A venue that does not list the pair has it in its tables all the same.
        let (largest, largest_at) =
            venues.iter().enumerate().map(|(at, _)| (tens_of(at), at)).max_by_key(|(tens, _)| *tens).unwrap_or_default();
        let finest_price = |decimals: fn(&RawRules) -> u8| {
            listed_in_units().map(|(tens, r)| decimals(r).saturating_add(tens)).max().unwrap_or_default().max(largest)
        };
        let finest_qty = |decimals: fn(&RawRules) -> u8| {
            listed_in_units().map(|(tens, r)| decimals(r).saturating_sub(tens)).max().unwrap_or_default()
        };
        let (ordered_price, executed_price) = (finest_price(|r| r.price_decimals), finest_price(|r| r.execution_price_decimals));
        let (ordered_qty, executed_qty) = (finest_qty(|r| r.qty_decimals), finest_qty(|r| r.execution_decimals));
        // By the tick and not by what prices get beyond it: how large quantities become follows from what a unit costs.
        let qty = ordered_qty.max(executed_qty.min(VALUE_DECIMALS_WANTED.saturating_sub(ordered_price)));
        let price = ordered_price.max(executed_price.min((AMOUNT_DECIMALS as u8).saturating_sub(qty)));
        let logged = logged.pair_id(symbol).and_then(|pair| logged.pair(pair));
        let (price, qty) = logged.map_or((price, qty), |info| beside(info.scale, price, qty));
        let kind_unlisted = || logged.map_or(InstrumentKind::Spot, |info| info.kind.clone());
        let kind = listed().next().map_or_else(kind_unlisted, |r| r.kind.clone());
        if let Some(other) = listed().find(|r| r.kind != kind) {
            return Err(TableError::KindsDiffer { symbol: symbol.clone(), one: kind, other: other.kind.clone() });
        }
        let too_fine = || match venues.get(largest_at).filter(|_| largest > 0) {
            Some((venue, _)) => {
                TableError::UnitTooLarge { symbol: symbol.clone(), venue: venue.clone(), tens: largest, price, qty }
            }
            None => TableError::TooFine { symbol: symbol.clone(), price, qty },
        };
        let scale = PairScale::new(price, qty).ok_or_else(too_fine)?;
        pairs.push(PairInfo { symbol: symbol.clone(), kind, base: asset(&symbol.base), quote: asset(&symbol.quote), scale });
    }
    let tables = Tables { venues: venues.iter().map(|(id, _)| id.clone()).collect(), pairs, assets };

    let mut rules = Vec::new();
    for (index, (name, raw)) in venues.iter().enumerate() {
        // A venue's texts have our counts in its own scale; ids are the same.
        let own = match aliases.get(index).filter(|aliases| !aliases.is_empty()) {
            Some(aliases) => Some(aliases.tables(&tables)?),
            None => None,
        };
        for one in raw {
            let Some(pair) = tables.pair_id(&one.symbol) else { continue };
            rules.push(scaled_rules(VenueId(index as u8), name, own.as_ref().unwrap_or(&tables), pair, one)?);
        }
    }
    Ok((tables, rules))
}

/// The decimals of price and quantity that are needed today, and those of the log as far as both leave exact values together. Quantities
/// come first: a balance or an exposure is made of them.
fn beside(logged: PairScale, price: u8, qty: u8) -> (u8, u8) {
    let room = |taken: u8| (AMOUNT_DECIMALS as u8).saturating_sub(taken);
    let qty = qty.max(logged.qty_decimals().min(room(price)));
    (price.max(logged.price_decimals().min(room(qty))), qty)
}

/// One venue's published rules in the scale of the tables: those that its session has, where it counts in units of its own.
///
/// # Errors
/// [`TableError::BadLimit`] or [`TableError::TooFine`] when they do not fit (a rule change beyond the scale drains the pair).
pub fn scaled_rules(
    venue: VenueId,
    name: &str,
    tables: &Tables,
    pair: domain::PairId,
    raw: &RawRules,
) -> Result<InstrumentRules, TableError> {
    let scale = tables.pairs[pair.index()].scale;
    let too_fine = || TableError::TooFine { symbol: raw.symbol.clone(), price: raw.price_decimals, qty: raw.qty_decimals };
    let step = |ours: u8, theirs: u8| ours.checked_sub(theirs).map(|up| 10i64.pow(u32::from(up))).ok_or_else(too_fine);
    let bad = |what, value| TableError::BadLimit { symbol: raw.symbol.clone(), venue: name.to_string(), what, value };
    let amount = |what, value: Decimal| Amount::from_decimal(value).filter(|a| !a.is_negative()).ok_or_else(|| bad(what, value));
    let qty_step = Qty::from_units(step(scale.qty_decimals(), raw.qty_decimals)?).ok_or_else(too_fine)?;
    let qty_min = match raw.qty_min {
        Some(value) => {
            scale.qty_rounded_up(amount("smallest quantity", value)?).ok_or_else(|| bad("smallest quantity", value))?
        }
        None => Qty::ZERO,
    };
    let qty_max = match raw.qty_max {
        // Beyond what we can count is no limit for us.
        Some(value) => amount("largest quantity", value).ok().map(|a| scale.qty_rounded_down(a)).filter(|q| !q.is_zero()),
        None => None,
    };
    let value_min = raw.value_min.map_or(Ok(Amount::ZERO), |value| amount("smallest value", value))?;
    let price_step = step(scale.price_decimals(), raw.price_decimals)?;
    Ok(InstrumentRules {
        venue,
        pair,
        price_step,
        qty_step,
        qty_min,
        qty_max,
        value_min,
        can_buy: raw.can_buy,
        can_sell: raw.can_sell,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(price_decimals: u8, qty_decimals: u8) -> RawRules {
        RawRules {
            symbol: Symbol::parse("BTC/USDT").unwrap(),
            price_decimals,
            qty_decimals,
            execution_decimals: qty_decimals,
            execution_price_decimals: price_decimals,
            kind: InstrumentKind::Spot,
            qty_min: Some("0.0001".parse().unwrap()),
            qty_max: None,
            value_min: Some("3".parse().unwrap()),
            can_buy: true,
            can_sell: true,
        }
    }

    #[test]
    fn the_finest_venue_sets_the_scale_and_the_others_get_steps() {
        let symbols = [Symbol::parse("BTC/USDT").unwrap()];
        let venues = [("a".to_string(), vec![raw(1, 4)]), ("b".to_string(), vec![raw(2, 6)])];
        let (tables, rules) = build_tables(&symbols, &venues, &["GT"]).unwrap();
        assert_eq!(tables.assets, ["BTC", "GT", "USDT"]);
        assert_eq!((tables.pairs[0].scale.price_decimals(), tables.pairs[0].scale.qty_decimals()), (2, 6));
        assert_eq!((rules[0].price_step, rules[0].qty_step.units(), rules[0].qty_min.units()), (10, 100, 100));
        assert_eq!((rules[1].price_step, rules[1].qty_step.units()), (1, 1));
        assert_eq!(rules[0].value_min.to_text(), "3");
    }

    #[test]
    fn executions_finer_than_tick_and_step_get_room_and_orders_keep_their_steps() {
        let symbols = [Symbol::parse("BTC/USDT").unwrap()];
        let scale = |venues: &[(String, Vec<RawRules>)]| {
            let (tables, rules) = build_tables(&symbols, venues, &[]).unwrap();
            let scale = tables.pairs[0].scale;
            let steps: Vec<(i64, i64)> = rules.iter().map(|one| (one.price_step, one.qty_step.units())).collect();
            (scale.price_decimals(), scale.qty_decimals(), steps)
        };
        let finer = |price, qty, executed_price| {
            let rules = RawRules { execution_decimals: 8, execution_price_decimals: executed_price, ..raw(price, qty) };
            ("finer".to_string(), vec![rules])
        };
        // Binance by itself: BTC/USDT, ETH/BTC, PEPE/USDT, whose quantities are large.
        assert_eq!(scale(&[finer(2, 5, 8)]), (8, 8, vec![(1_000_000, 1_000)]));
        assert_eq!(scale(&[finer(5, 4, 8)]), (8, 7, vec![(1_000, 1_000)]));
        assert_eq!(scale(&[finer(8, 0, 8)]), (8, 4, vec![(1, 10_000)]));
        // The dearest that is quoted in anything fits.
        assert!(domain::Price::from_units(1_000_000_000 * 100_000_000).is_some());
        // Where only quantities are finer, the price's decimals are those of the tick; beside another venue they are the finest.
        assert_eq!(scale(&[finer(2, 5, 2)]), (2, 8, vec![(1, 1_000)]));
        assert_eq!(scale(&[("a".into(), vec![raw(1, 6)]), finer(2, 5, 8)]), (8, 8, vec![(10_000_000, 100), (1_000_000, 1_000)]));
        assert_eq!(scale(&[("a".into(), vec![raw(10, 2)]), finer(8, 0, 8)]), (10, 2, vec![(1, 1), (100, 100)]));
        // Room that would refuse the pair is not given.
        assert_eq!(scale(&[("a".into(), vec![raw(2, 12)]), finer(2, 5, 8)]), (6, 12, vec![(10_000, 1), (10_000, 10_000_000)]));
    }

    #[test]
    fn a_pair_that_would_not_be_exact_is_refused_by_name() {
        let symbols = [Symbol::parse("BTC/USDT").unwrap()];
        let venues = [("a".to_string(), vec![raw(10, 4)]), ("b".to_string(), vec![raw(2, 9)])];
        let error = build_tables(&symbols, &venues, &[]).unwrap_err();
        assert!(error.to_string().starts_with("BTC/USDT: 10 price decimals and 9 quantity decimals"), "{error}");
    }

    fn in_thousands(tens: u8) -> Aliases {
        Aliases::new([crate::aliases::Alias { ours: "BTC".into(), theirs: "1000BTC".into(), tens }])
    }

    #[test]
    fn a_venue_that_counts_in_thousands_gets_steps_and_limits_in_our_unit() {
        let symbols = [Symbol::parse("BTC/USDT").unwrap()];
        // Like 1000SATS on Binance beside SATS on Gate: eight decimals and whole units there are eleven and whole thousands of ours.
        let theirs = RawRules { qty_min: Some("1".parse().unwrap()), qty_max: Some("900".parse().unwrap()), ..raw(8, 0) };
        let ours = RawRules { qty_min: Some("10".parse().unwrap()), ..raw(10, 0) };
        let venues = [("gate".to_string(), vec![ours]), ("binance".to_string(), vec![theirs])];
        let (tables, rules) = build_tables_in_units(&symbols, &venues, &[Aliases::default(), in_thousands(3)], &[]).unwrap();
        assert_eq!(tables.pairs[0].scale, PairScale::new(11, 0).unwrap());
        assert_eq!((rules[0].price_step, rules[0].qty_step.units(), rules[0].qty_min.units()), (10, 1, 10));
        assert_eq!((rules[1].price_step, rules[1].qty_step.units(), rules[1].qty_min.units()), (1, 1_000, 1_000));
        assert_eq!(rules[1].qty_max.map(Qty::units), Some(900_000));
        assert_eq!((rules[0].value_min.to_text(), rules[1].value_min.to_text()), ("3".into(), "3".into()));
        // Rules that a session reads anew while it runs come out the same.
        let own = in_thousands(3).tables(&tables).unwrap();
        assert_eq!(scaled_rules(VenueId(1), "binance", &own, domain::PairId(0), &venues[1].1[0]), Ok(rules[1]));
        assert_eq!(build_tables(&symbols, &venues[..1], &[]), build_tables_in_units(&symbols, &venues[..1], &[], &[]));
    }

    #[test]
    fn a_unit_that_leaves_no_exact_values_is_refused_by_name() {
        let symbols = [Symbol::parse("BTC/USDT").unwrap()];
        let venues = [("a".to_string(), vec![raw(2, 6)]), ("b".to_string(), vec![raw(8, 6)])];
        let refused = build_tables_in_units(&symbols, &venues, &[Aliases::default(), in_thousands(9)], &[]).unwrap_err();
        let text = refused.to_string();
        assert!(text.starts_with("BTC/USDT: one of b's is 10^9 of ours, which makes 17 price decimals and 6 quantity"), "{text}");
        assert!(build_tables_in_units(&symbols, &venues, &[Aliases::default(), in_thousands(3)], &[]).is_ok());
        assert!(build_tables_in_units(&symbols, &venues, &[in_thousands(u8::MAX)], &[]).is_err());
    }

    #[test]
    fn a_venue_that_grows_coarser_leaves_the_scale_of_the_log_and_gets_larger_steps() {
        let symbols = [Symbol::parse("BTC/USDT").unwrap()];
        let fine = [("a".to_string(), vec![raw(1, 4)]), ("b".to_string(), vec![raw(2, 6)])];
        let (logged, _) = build_tables(&symbols, &fine, &[]).unwrap();
        let coarse = [("a".to_string(), vec![raw(1, 4)]), ("b".to_string(), vec![raw(1, 5)])];
        assert_eq!(build_tables(&symbols, &coarse, &[]).unwrap().0.pairs[0].scale, PairScale::new(1, 5).unwrap());
        let (tables, rules) = build_tables_over(&symbols, &coarse, &[], &[], &logged).unwrap();
        assert_eq!(tables, logged);
        assert_eq!(rules.iter().map(|one| (one.price_step, one.qty_step.units())).collect::<Vec<_>>(), [(10, 100), (10, 10)]);
        // One that grows finer is followed, and what the log held keeps its place beside it as far as there is any.
        let finer = |price, qty| {
            let venues = [("a".to_string(), vec![raw(price, qty)])];
            let scale = build_tables_over(&symbols, &venues, &[], &[], &logged).unwrap().0.pairs[0].scale;
            (scale.price_decimals(), scale.qty_decimals())
        };
        assert_eq!((finer(3, 4), finer(1, 8)), ((3, 6), (2, 8)));
        assert_eq!((finer(14, 1), finer(0, 17)), ((14, 4), (1, 17)));
        assert!(build_tables_over(&symbols, &[("a".to_string(), vec![raw(10, 9)])], &[], &[], &logged).is_err());
        // Nobody lists it any more: as it was.
        let (tables, rules) = build_tables_over(&symbols, &[("a".to_string(), Vec::new())], &[], &[], &logged).unwrap();
        assert_eq!((&tables.pairs, rules), (&logged.pairs, Vec::new()));
        // A pair that the log does not know is on today's scale alone.
        let other = [Symbol::parse("BTC/EUR").unwrap()];
        let listed = [("a".to_string(), vec![RawRules { symbol: other[0].clone(), ..raw(1, 1) }])];
        let (tables, _) = build_tables_over(&other, &listed, &[], &[], &logged).unwrap();
        assert_eq!(tables.pairs[0].scale, PairScale::new(1, 1).unwrap());
    }

    #[test]
    fn a_venue_that_does_not_list_the_pair_has_room_for_its_unit() {
        let symbols = [Symbol::parse("BTC/USDT").unwrap()];
        let venues = [("a".to_string(), vec![raw(2, 6)]), ("b".to_string(), Vec::new())];
        let (tables, _) = build_tables_in_units(&symbols, &venues, &[Aliases::default(), in_thousands(3)], &[]).unwrap();
        assert!(in_thousands(3).tables(&tables).is_ok());
    }
}
