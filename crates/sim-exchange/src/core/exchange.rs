//! The exchange itself: what it lists, who has an account, what it remembers and tells. Orders are in `placing`.
//!
//! Start at [`Exchange::new`]; then [`Exchange::place`], [`Exchange::take_events`] and the queries.

use rust_decimal::Decimal;

use super::{
    book::Book,
    config::{
        ASSET_DECIMALS_MAX, AssetConfig, ClientIdPolicy, ConfigError, DeductionConfig, ExchangeConfig, PairConfig,
        UnfillablePolicy,
    },
    countdown::Countdowns,
    event::{AccountTrade, BalanceEvent, Event, OrderEvent, OrderEventKind, PublicTrade},
    exact::{self, NotExact},
    history::{History, OrderFilter, TradeFilter},
    ledger::{Account, ConservationError, Ledger, Transaction},
    order::Order,
    reject::{PrecisionField, Reject},
    types::{AccountId, AssetId, Balance, FeeDebit, FeeRates, OrderId, PairId, Side, TradeStatus},
};

/// A listed pair.
#[derive(Clone, Debug)]
pub struct Pair {
    /// Its rules; `trade_status` as it is now.
    pub config: PairConfig,
    /// Base asset.
    pub base: AssetId,
    /// Quote asset.
    pub quote: AssetId,
    pub(super) book: Book,
    pub(super) trade_sequence: u64,
    pub(super) last_price: Option<Decimal>,
}

impl Pair {
    /// Price of the last trade.
    pub fn last_price(&self) -> Option<Decimal> {
        self.last_price
    }

    /// Whether an order of `side` is accepted at `t_ns` (Unix nanoseconds): by the status, the opening times and the
    /// delisting time.
    pub fn accepts(&self, side: Side, t_ns: u64) -> bool {
        let rules = &self.config;
        let start_s = match side {
            Side::Buy => rules.buy_start_s,
            Side::Sell => rules.sell_start_s,
        };
        let now_s = t_ns / 1_000_000_000;
        rules.trade_status.accepts(side) && now_s >= start_s && (rules.delisting_time_s == 0 || now_s < rules.delisting_time_s)
    }
}

/// An asset that may pay fees, with its price in each quote asset it can stand for.
#[derive(Clone, Debug)]
pub(super) struct Deduction {
    pub(super) asset: AssetId,
    pub(super) rate_factor: Decimal,
    pub(super) prices: Vec<(AssetId, Decimal)>,
}

/// One venue's matching engine, accounts and memory.
#[derive(Clone, Debug)]
pub struct Exchange {
    pub(super) assets: Vec<AssetConfig>,
    pub(super) pairs: Vec<Pair>,
    pub(super) unfillable: UnfillablePolicy,
    pub(super) client_ids: ClientIdPolicy,
    pub(super) gt: Option<Deduction>,
    pub(super) points: Option<Deduction>,
    pub(super) ledger: Ledger,
    pub(super) history: History,
    pub(super) countdowns: Countdowns,
    pub(super) last_order_id: u64,
    pub(super) last_trade_id: u64,
    pub(super) events: Vec<Event>,
}

impl From<NotExact> for Reject {
    fn from(_: NotExact) -> Reject {
        Reject::NotRepresentable
    }
}

impl Exchange {
    /// Makes an exchange with empty books and the market account only.
    ///
    /// # Errors
    /// [`ConfigError`] for empty or double names, unknown assets, too many decimals, or figures out of range.
    pub fn new(config: ExchangeConfig) -> Result<Exchange, ConfigError> {
        let mut names: Vec<&str> = config.assets.iter().map(|asset| asset.name.as_str()).collect();
        check_names(&mut names)?;
        let mut names: Vec<&str> = config.pairs.iter().map(|pair| pair.id.as_str()).collect();
        check_names(&mut names)?;
        for asset in &config.assets {
            if asset.decimals > ASSET_DECIMALS_MAX {
                let name = asset.name.clone();
                return Err(ConfigError::TooManyDecimals { name, decimals: asset.decimals, max: ASSET_DECIMALS_MAX });
            }
        }
        if u32::try_from(config.assets.len().max(config.pairs.len())).is_err() {
            return Err(ConfigError::OutOfRange { what: "assets and pairs".to_owned(), why: "there are too many" });
        }
        let pairs = config
            .pairs
            .into_iter()
            .map(|pair| list_pair(&config.assets, pair, config.first_book_id))
            .collect::<Result<Vec<Pair>, ConfigError>>()?;
        let mut history = History::new(config.history, pairs.len());
        history.add_account();
        let (gt, points) = list_deductions(&config.assets, &config.deduction)?;
        Ok(Exchange {
            gt,
            points,
            countdowns: Countdowns::default(),
            ledger: Ledger::new(config.assets.len()),
            assets: config.assets,
            history,
            pairs,
            unfillable: config.unfillable,
            client_ids: config.client_ids,
            last_order_id: config.first_id,
            last_trade_id: config.first_id,
            events: Vec::new(),
        })
    }

    /// Opens an account.
    ///
    /// # Errors
    /// [`ConfigError`] when the user id is taken (0 is the market's) or a fee rate is not in `0..1`.
    pub fn add_account(&mut self, user_id: u64, name: &str, fees: FeeRates) -> Result<AccountId, ConfigError> {
        check_fees(fees)?;
        let id = self.ledger.add_account(user_id, name.to_owned(), fees)?;
        self.history.add_account();
        Ok(id)
    }

    /// Changes the fee rates of future fills.
    ///
    /// # Errors
    /// [`ConfigError`] when a rate is not in `0..1` or the account is unknown.
    pub fn set_fees(&mut self, account: AccountId, fees: FeeRates) -> Result<(), ConfigError> {
        check_fees(fees)?;
        let account = self
            .ledger
            .accounts
            .get_mut(account.index())
            .ok_or(ConfigError::OutOfRange { what: "account".to_owned(), why: "it does not exist" })?;
        account.fees = fees;
        Ok(())
    }

    /// Chooses the asset an account pays its future fees in.
    pub fn set_fee_debit(&mut self, account: AccountId, debit: FeeDebit) {
        if let Some(account) = self.ledger.accounts.get_mut(account.index()) {
            account.debit = debit;
        }
    }

    /// Puts an account into a self-trade group, or out of all with `None`. Orders already placed keep theirs.
    pub fn set_stp_group(&mut self, account: AccountId, group: Option<u64>) {
        if let Some(account) = self.ledger.accounts.get_mut(account.index()) {
            account.stp_group = group;
        }
    }

    /// Opens or closes directions of a pair. Resting orders stay.
    pub fn set_trade_status(&mut self, pair: PairId, status: TradeStatus) {
        if let Some(pair) = self.pairs.get_mut(pair.index()) {
            pair.config.trade_status = status;
        }
    }

    /// Brings money from outside into an account.
    ///
    /// # Errors
    /// [`Reject`] when account or asset is unknown, the amount is not above zero or too fine, or a sum does not fit.
    pub fn deposit(&mut self, t_ns: u64, account: AccountId, asset: AssetId, amount: Decimal) -> Result<(), Reject> {
        self.account(account).ok_or(Reject::UnknownAccount)?;
        let decimals = self.assets.get(asset.index()).ok_or(Reject::UnknownAsset)?.decimals;
        if amount <= Decimal::ZERO {
            return Err(Reject::BadAmount);
        }
        if !exact::fits(amount, decimals) {
            return Err(Reject::BadPrecision { field: PrecisionField::Amount, decimals });
        }
        let deposited = exact::add(self.ledger.deposited[asset.index()], amount)?;
        let mut transaction = Transaction::at(t_ns);
        transaction.deposit(&self.ledger, account, asset, amount)?;
        self.ledger.deposited[asset.index()] = deposited;
        let events = self.ledger.commit(transaction);
        self.tell_balances(events);
        Ok(())
    }

    /// Takes money out of an account.
    ///
    /// # Errors
    /// [`Reject`] when account or asset is unknown, the amount is not above zero or too fine, or not that much is free.
    pub fn withdraw(&mut self, t_ns: u64, account: AccountId, asset: AssetId, amount: Decimal) -> Result<(), Reject> {
        self.account(account).ok_or(Reject::UnknownAccount)?;
        let decimals = self.assets.get(asset.index()).ok_or(Reject::UnknownAsset)?.decimals;
        if amount <= Decimal::ZERO {
            return Err(Reject::BadAmount);
        }
        if !exact::fits(amount, decimals) {
            return Err(Reject::BadPrecision { field: PrecisionField::Amount, decimals });
        }
        if self.balance(account, asset).available < amount {
            return Err(Reject::BalanceNotEnough);
        }
        let deposited = exact::subtract(self.ledger.deposited[asset.index()], amount)?;
        let mut transaction = Transaction::at(t_ns);
        transaction.withdraw(&self.ledger, account, asset, amount)?;
        self.ledger.deposited[asset.index()] = deposited;
        let events = self.ledger.commit(transaction);
        self.tell_balances(events);
        Ok(())
    }

    /// Takes what happened since the last call, oldest first.
    pub fn take_events(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.events)
    }

    /// Whether [`Exchange::take_events`] would give any.
    pub fn has_events(&self) -> bool {
        !self.events.is_empty()
    }

    // Queries.

    /// Listed assets, by id.
    pub fn assets(&self) -> impl Iterator<Item = (AssetId, &AssetConfig)> {
        (0..).map(AssetId).zip(&self.assets)
    }

    /// Rules of an asset.
    ///
    /// # Panics
    /// When the id comes from another exchange.
    pub fn asset(&self, asset: AssetId) -> &AssetConfig {
        &self.assets[asset.index()]
    }

    /// The asset of this name.
    pub fn asset_by_name(&self, name: &str) -> Option<AssetId> {
        self.assets().find(|(_, asset)| asset.name == name).map(|(id, _)| id)
    }

    /// Listed pairs, by id.
    pub fn pairs(&self) -> impl Iterator<Item = (PairId, &Pair)> {
        (0..).map(PairId).zip(&self.pairs)
    }

    /// A listed pair.
    ///
    /// # Panics
    /// When the id comes from another exchange.
    pub fn pair(&self, pair: PairId) -> &Pair {
        &self.pairs[pair.index()]
    }

    /// Directions a pair accepts now.
    pub fn trade_status(&self, pair: PairId) -> TradeStatus {
        self.pairs.get(pair.index()).map_or(TradeStatus::Untradable, |pair| pair.config.trade_status)
    }

    /// The pair of this symbol.
    pub fn pair_by_name(&self, name: &str) -> Option<PairId> {
        self.pairs().find(|(_, pair)| pair.config.id == name).map(|(id, _)| id)
    }

    /// The book of a pair.
    ///
    /// # Panics
    /// When the id comes from another exchange.
    pub fn book(&self, pair: PairId) -> &Book {
        &self.pairs[pair.index()].book
    }

    /// All accounts, the market first.
    pub fn accounts(&self) -> impl Iterator<Item = &Account> {
        self.ledger.accounts.iter()
    }

    /// One account.
    pub fn account(&self, account: AccountId) -> Option<&Account> {
        self.ledger.accounts.get(account.index())
    }

    /// The account of a user.
    pub fn account_by_user(&self, user_id: u64) -> Option<AccountId> {
        self.accounts().find(|account| account.user_id == user_id).map(|account| account.id)
    }

    /// What an account owns of one asset; zero for unknown ids.
    pub fn balance(&self, account: AccountId, asset: AssetId) -> Balance {
        self.ledger.balance(account, asset)
    }

    /// What an account owns, all assets in order, also those it never had.
    pub fn balances(&self, account: AccountId) -> impl Iterator<Item = (AssetId, Balance)> {
        self.assets().map(move |(asset, _)| (asset, self.balance(account, asset)))
    }

    /// Fees collected in one asset.
    pub fn fees_collected(&self, asset: AssetId) -> Decimal {
        self.ledger.fees_collected.get(asset.index()).copied().unwrap_or_default()
    }

    /// An order by id, of any account: open ones, and finished ones that are still remembered.
    pub fn order(&self, id: OrderId) -> Option<&Order> {
        self.history.order(id)
    }

    /// The newest order of `account` with this client id.
    pub fn order_by_text(&self, account: AccountId, text: &str) -> Option<&Order> {
        self.history.order_by_text(account, text)
    }

    /// Open orders of an account, oldest first. The market's are not listed.
    pub fn open_orders(&self, account: AccountId, pair: Option<PairId>) -> impl Iterator<Item = &Order> {
        self.history.open_orders(account, pair)
    }

    /// Finished orders of an account that are still remembered, newest first.
    pub fn finished_orders(&self, account: AccountId, filter: &OrderFilter) -> Vec<&Order> {
        self.history.finished_orders(account, filter)
    }

    /// Fills of an account that are still remembered, newest first.
    pub fn trades(&self, account: AccountId, filter: &TradeFilter) -> Vec<&AccountTrade> {
        self.history.fills(account, filter)
    }

    /// Public trades of a pair that are still remembered, oldest first.
    pub fn public_trades(&self, pair: PairId) -> impl DoubleEndedIterator<Item = &PublicTrade> {
        self.history.public_trades(pair)
    }

    /// The rates of an account's fees when they are paid in GT; `None` when no GT is listed.
    pub fn gt_rates(&self, account: &Account) -> Option<FeeRates> {
        let factor = self.gt.as_ref()?.rate_factor;
        let maker = exact::multiply(account.fees.maker, factor).ok()?;
        Some(FeeRates { maker, taker: exact::multiply(account.fees.taker, factor).ok()? })
    }

    /// Changes of an account's balances that are still remembered, oldest first, each with its number in the venue's
    /// account book.
    pub fn balance_changes(&self, account: AccountId) -> impl DoubleEndedIterator<Item = &(u64, BalanceEvent)> {
        self.history.balance_changes(account)
    }

    /// Checks that per asset all accounts and the fees collected sum to the deposits, exactly.
    ///
    /// # Errors
    /// [`ConservationError`] names the first asset that does not.
    pub fn conservation_check(&self) -> Result<(), ConservationError> {
        self.ledger.conservation_check(&self.assets)
    }

    pub(super) fn tell_order(&mut self, kind: OrderEventKind, order: &Order) {
        if order.account != AccountId::MARKET {
            self.events.push(Event::Order(OrderEvent { t_ns: order.update_t_ns, kind, order: order.clone() }));
        }
    }

    pub(super) fn tell_balances(&mut self, events: Vec<BalanceEvent>) {
        for change in &events {
            self.history.add_balance_change(*change);
        }
        self.events.extend(events.into_iter().map(Event::Balance));
    }
}

fn check_names(names: &mut [&str]) -> Result<(), ConfigError> {
    names.sort_unstable();
    let twice = names.windows(2).find(|two| two[0] == two[1]).map(|two| two[0]);
    match names.iter().find(|name| name.is_empty()).copied().or(twice) {
        Some(name) => Err(ConfigError::BadName(name.to_owned())),
        None => Ok(()),
    }
}

fn check_fees(fees: FeeRates) -> Result<(), ConfigError> {
    for (what, rate) in [("maker fee", fees.maker), ("taker fee", fees.taker)] {
        if rate < Decimal::ZERO || rate >= Decimal::ONE {
            return Err(ConfigError::OutOfRange { what: what.to_owned(), why: "a rate is at least 0 and below 1" });
        }
    }
    Ok(())
}

fn list_pair(assets: &[AssetConfig], config: PairConfig, first_book_id: u64) -> Result<Pair, ConfigError> {
    let find = |name: &str| {
        (0..)
            .map(AssetId)
            .zip(assets)
            .find(|(_, asset)| asset.name == name)
            .ok_or_else(|| ConfigError::UnknownAsset { user: config.id.clone(), asset: name.to_owned() })
    };
    let ((base, base_asset), (quote, quote_asset)) = (find(&config.base)?, find(&config.quote)?);
    if base == quote {
        return Err(ConfigError::BadName(config.id));
    }
    let too_fine = |decimals, max| ConfigError::TooManyDecimals { name: config.id.clone(), decimals, max };
    if config.amount_precision > base_asset.decimals {
        return Err(too_fine(config.amount_precision, base_asset.decimals));
    }
    let decimals = config.precision.saturating_add(config.amount_precision);
    if decimals > quote_asset.decimals {
        return Err(too_fine(decimals, quote_asset.decimals));
    }
    for (what, rate) in [("up rate", config.up_rate), ("down rate", config.down_rate), ("slippage", config.slippage_max)] {
        if rate.is_some_and(|rate| rate < Decimal::ZERO) {
            let what = format!("{what} of {}", config.id);
            return Err(ConfigError::OutOfRange { what, why: "a fraction is at least 0" });
        }
    }
    let book = Book::new(config.precision, first_book_id);
    Ok(Pair { base, quote, book, trade_sequence: 0, last_price: None, config })
}

/// The assets that may pay fees, as far as they are listed: GT and points.
fn list_deductions(
    assets: &[AssetConfig],
    config: &DeductionConfig,
) -> Result<(Option<Deduction>, Option<Deduction>), ConfigError> {
    let find = |name: &str| (0..).map(AssetId).zip(assets).find(|(_, asset)| asset.name == name).map(|(id, _)| id);
    if config.gt_rate_factor <= Decimal::ZERO || config.gt_rate_factor > Decimal::ONE {
        return Err(ConfigError::OutOfRange { what: "GT rate factor".to_owned(), why: "it is above 0 and at most 1" });
    }
    let list = |name: &str, rate_factor, prices: &[(String, Decimal)]| -> Result<Option<Deduction>, ConfigError> {
        let Some(asset) = find(name) else { return Ok(None) };
        if let Some((quote, _)) = prices.iter().find(|(_, price)| *price <= Decimal::ZERO) {
            let what = format!("price of {name} in {quote}");
            return Err(ConfigError::OutOfRange { what, why: "a price is above 0" });
        }
        let prices = prices.iter().filter_map(|(quote, price)| Some((find(quote)?, *price))).collect();
        Ok(Some(Deduction { asset, rate_factor, prices }))
    };
    let gt = list(&config.gt_asset, config.gt_rate_factor, &config.gt_prices)?;
    Ok((gt, list(&config.point_asset, Decimal::ONE, &config.point_prices)?))
}
