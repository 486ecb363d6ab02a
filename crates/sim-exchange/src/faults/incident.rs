//! What happens to a venue and its accounts at a time of a script: trading stops, orders vanish, a person trades by hand, money moves,
//! fees change.
//!
//! Start at [`Incidents::strike`]. An incident acts on the exchange itself, so that what follows from it (fills, balances, refusals) is
//! told and remembered as anything else is.

use std::collections::BTreeMap;

use rust_decimal::Decimal;

use crate::core::{AccountId, AssetId, Exchange, FeeRates, NewOrder, OrderKind, PairId, PlaceOptions, Side, TimeInForce, exact};

/// What a script may do to the exchange.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Incident {
    /// Trading of a pair stops, and its book stands still.
    Halt(String),
    /// Trading goes on.
    Resume(String),
    /// Every order of every user is cancelled.
    MassCancel,
    /// Somebody trades by hand on every user's account: the smallest amount, at the best price, on this side.
    ForeignTrade(String, Side),
    /// Every user's balance of an asset grows by this many thousandths of what it is.
    Deposit(String, u32),
    /// It shrinks by as much of what is free.
    Withdrawal(String, u32),
    /// The fee rates are multiplied by this many hundredths.
    Fees(u32),
    /// They are what they were.
    UsualFees,
}

/// What is to be undone later.
#[derive(Debug, Default)]
pub(crate) struct Incidents {
    usual_fees: BTreeMap<AccountId, FeeRates>,
}

impl Incidents {
    pub(crate) fn strike(&mut self, t_ns: u64, incident: &Incident, exchange: &mut Exchange) {
        let users: Vec<AccountId> =
            exchange.accounts().map(|account| account.id).filter(|account| *account != AccountId::MARKET).collect();
        match incident {
            // Orders are refused by the dialect, which also keeps the book that it shows.
            Incident::Halt(_) | Incident::Resume(_) => {}
            Incident::MassCancel => {
                for user in users {
                    exchange.cancel_all(t_ns, user, None, None);
                }
            }
            Incident::ForeignTrade(pair, side) => {
                if let Some(pair) = exchange.pair_by_name(pair) {
                    for user in users {
                        trade_by_hand(t_ns, user, pair, *side, exchange);
                    }
                }
            }
            Incident::Deposit(asset, per_mille) => {
                for (user, asset, amount) in shares(&users, asset, *per_mille, exchange, |balance| balance.0) {
                    // A sum that does not fit is no deposit.
                    let _refused = exchange.deposit(t_ns, user, asset, amount);
                }
            }
            Incident::Withdrawal(asset, per_mille) => {
                for (user, asset, amount) in shares(&users, asset, (*per_mille).min(1_000), exchange, |balance| balance.1) {
                    let _refused = exchange.withdraw(t_ns, user, asset, amount);
                }
            }
            Incident::Fees(hundredths) => {
                let by = Decimal::new(i64::from(*hundredths), 2);
                for user in users {
                    let Some(now) = exchange.account(user).map(|account| account.fees) else { continue };
                    let usual = *self.usual_fees.entry(user).or_insert(now);
                    let times = |rate: Decimal| exact::multiply(rate, by).unwrap_or(rate);
                    // A rate of one or more is no rate: then they stay.
                    let _refused = exchange.set_fees(user, FeeRates { maker: times(usual.maker), taker: times(usual.taker) });
                }
            }
            Incident::UsualFees => {
                for (user, fees) in std::mem::take(&mut self.usual_fees) {
                    let _known = exchange.set_fees(user, fees);
                }
            }
        }
    }
}

/// Parts of every user's balance of an asset; `of` picks the total or what is free.
fn shares(
    users: &[AccountId],
    asset: &str,
    per_mille: u32,
    exchange: &Exchange,
    of: impl Fn((Decimal, Decimal)) -> Decimal,
) -> Vec<(AccountId, AssetId, Decimal)> {
    let Some(asset) = exchange.asset_by_name(asset) else { return Vec::new() };
    let decimals = exchange.asset(asset).decimals;
    let share = |user: &AccountId| {
        let balance = exchange.balance(*user, asset);
        let whole = of((balance.available + balance.locked, balance.available));
        let wanted = exact::multiply(whole, Decimal::from(per_mille)).ok()?;
        let amount = exact::divide_rounded_down(wanted, Decimal::ONE_THOUSAND, decimals)?;
        (amount > Decimal::ZERO).then_some((*user, asset, amount))
    };
    users.iter().filter_map(share).collect()
}

/// The smallest order that trades at once, without a client id, as a person at a screen would send it.
fn trade_by_hand(t_ns: u64, account: AccountId, pair: PairId, side: Side, exchange: &mut Exchange) {
    let rules = exchange.pair(pair).config.clone();
    let Some(price) = exchange.book(pair).best(side.opposite()).map(|level| level.price) else { return };
    let step = exact::from_units(1, rules.amount_precision);
    let by_value = rules.min_quote_amount.and_then(|value| exact::divide_rounded_up(value, price, rules.amount_precision));
    let amount = [rules.min_base_amount, by_value].into_iter().flatten().fold(step, Decimal::max);
    let order =
        NewOrder { account, pair, side, kind: OrderKind::Limit, time_in_force: TimeInForce::Ioc, price, amount, text: None };
    // Without the balance for it the person is told so, and nothing else happens.
    let _refused = exchange.place_with(t_ns, order, PlaceOptions::default());
}
