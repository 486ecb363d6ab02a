//! The exchange itself: places, matches, settles and cancels, and tells what happened.
//!
//! Start at [`Exchange::place`]. It checks, in this order: account, pair and its status; kind and time in force; sign and
//! precision of price and amount; minimums and maximums; the balance; post-only and fill-or-kill. Then it trades in
//! price-time order at the makers' prices. A refusal leaves everything as it was.

use rust_decimal::Decimal;

use super::{
    book::Book,
    config::{ASSET_DECIMALS_MAX, AssetConfig, ConfigError, ExchangeConfig, PairConfig, UnfillablePolicy},
    event::{AccountTrade, BalanceEvent, BookChange, Event, OrderEvent, OrderEventKind, PublicTrade},
    exact::{self, NotExact},
    history::{History, OrderFilter, TradeFilter},
    ledger::{Account, ConservationError, Ledger, Transaction},
    matching::{self, Arrival, Plan, PlannedFill, Stop},
    order::{FinishReason, NewOrder, Order},
    reject::{PrecisionField, Reject},
    types::{AccountId, AssetId, Balance, FeeRates, OrderId, OrderKind, PairId, Role, Side, TimeInForce, TradeId, TradeStatus},
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
    book: Book,
    trade_sequence: u64,
}

/// One venue's matching engine, accounts and memory.
#[derive(Clone, Debug)]
pub struct Exchange {
    assets: Vec<AssetConfig>,
    pairs: Vec<Pair>,
    unfillable: UnfillablePolicy,
    ledger: Ledger,
    history: History,
    last_order_id: u64,
    last_trade_id: u64,
    events: Vec<Event>,
}

/// A planned fill with its exact money, and the maker as it will be.
#[derive(Debug)]
struct Settled {
    fill: PlannedFill,
    price: Decimal,
    taker_fee: Decimal,
    maker_fee: Decimal,
    maker_after: Order,
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
        Ok(Exchange {
            ledger: Ledger::new(config.assets.len()),
            assets: config.assets,
            history,
            pairs,
            unfillable: config.unfillable,
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

    /// Places an order at `t_ns`. The order it became, open or already finished, is found with [`Exchange::order`]; a
    /// finished one of the market account is forgotten at once.
    ///
    /// # Errors
    /// [`Reject`]; nothing has changed then.
    pub fn place(&mut self, t_ns: u64, new: NewOrder) -> Result<OrderId, Reject> {
        let fees = self.account(new.account).ok_or(Reject::UnknownAccount)?.fees;
        let pair = self.pairs.get(new.pair.index()).ok_or(Reject::UnknownPair)?;
        let (ticks, hold_amount) = check_order(pair, &self.assets, &new)?;
        let (base, quote) = (pair.base, pair.quote);
        let (hold_asset, fee_asset) = match new.side {
            Side::Buy => (quote, base),
            Side::Sell => (base, quote),
        };
        let id = OrderId(self.last_order_id + 1);
        let is_market_account = new.account == AccountId::MARKET;
        let arrival = Arrival {
            account: new.account,
            side: new.side,
            kind: new.kind,
            ticks,
            amount: new.amount,
            precision: pair.config.precision,
            amount_precision: pair.config.amount_precision,
        };
        let mut order = Order {
            id,
            account: new.account,
            pair: new.pair,
            side: new.side,
            kind: new.kind,
            time_in_force: new.time_in_force,
            price: if new.kind == OrderKind::Limit { new.price.normalize() } else { Decimal::ZERO },
            amount: new.amount.normalize(),
            left: new.amount.normalize(),
            filled_amount: Decimal::ZERO,
            filled_total: Decimal::ZERO,
            fee: Decimal::ZERO,
            fee_asset,
            locked: if is_market_account { Decimal::ZERO } else { hold_amount },
            text: new.text,
            create_t_ns: t_ns,
            update_t_ns: t_ns,
            end: None,
            ticks,
        };

        let mut transaction = Transaction::at(t_ns);
        transaction.hold(&self.ledger, order.account, hold_asset, hold_amount, id)?;

        let would_take = pair.book.best_ticks(new.side.opposite()).is_some_and(|best| arrival.crosses(best));
        if new.time_in_force == TimeInForce::Poc && would_take {
            return self.refuse_or_finish(order, FinishReason::Poc, Reject::PostOnlyWouldTake);
        }
        let plan = if would_take {
            matching::plan(&pair.book, &self.history, &arrival).ok_or(Reject::NotRepresentable)?
        } else {
            Plan { fills: Vec::new(), stop: Stop::NoMatch }
        };
        if new.time_in_force == TimeInForce::Fok && plan.stop != Stop::Filled {
            return self.refuse_or_finish(order, FinishReason::Fok, Reject::FokNotFilled);
        }
        if new.kind == OrderKind::Market && plan.fills.is_empty() && plan.stop != Stop::OwnOrder {
            return Err(if plan.stop == Stop::NoMatch { Reject::NoLiquidity } else { Reject::BadAmount });
        }

        let settled = self.settle(t_ns, &mut transaction, &mut order, fees, &plan.fills)?;
        let rests = match (plan.stop, new.time_in_force) {
            (Stop::NoMatch, TimeInForce::Gtc | TimeInForce::Poc) => true,
            (Stop::Filled | Stop::OwnOrder, _) | (_, TimeInForce::Ioc | TimeInForce::Fok) => false,
        };
        if rests {
            self.pairs[new.pair.index()].book.total_with(order.side, ticks, order.left).ok_or(Reject::NotRepresentable)?;
        } else {
            transaction.release(&self.ledger, order.account, hold_asset, order.locked, id)?;
            order.locked = Decimal::ZERO;
            let reason = match plan.stop {
                Stop::Filled => FinishReason::Filled,
                Stop::NoMatch => FinishReason::Ioc,
                Stop::OwnOrder => FinishReason::SelfTrade,
            };
            order.end = Some((t_ns, reason));
        }

        // From here on nothing can fail.
        self.last_order_id += 1;
        let balance_events = self.ledger.commit(transaction);
        self.apply_fills(t_ns, &order, settled);
        if rests {
            let book = &mut self.pairs[order.pair.index()].book;
            let amount = book.insert(order.side, ticks, id, order.left);
            let update_id = book.next_update_id(t_ns);
            assert!(book.is_uncrossed(), "Invariant: a resting order does not cross the book");
            let price = exact::from_units(ticks, arrival.precision);
            let change = BookChange { t_ns, pair: order.pair, id: update_id, side: order.side, price, amount };
            self.events.push(Event::Book(change));
            self.tell_order(OrderEventKind::Put, &order);
            self.history.add_open(order);
        } else {
            self.tell_order(OrderEventKind::Finish, &order);
            self.history.add_finished(order);
        }
        self.tell_balances(balance_events);
        Ok(id)
    }

    /// Cancels an open order of `account`. Returns it as it ended.
    ///
    /// # Errors
    /// [`Reject::OrderNotFound`] when `account` has no such order, [`Reject::OrderClosed`] when it has ended.
    pub fn cancel(&mut self, t_ns: u64, account: AccountId, id: OrderId) -> Result<Order, Reject> {
        let order = self.history.order(id).filter(|order| order.account == account).ok_or(Reject::OrderNotFound)?;
        if order.end.is_some() {
            return Err(Reject::OrderClosed);
        }
        let mut order = order.clone();
        let pair = &mut self.pairs[order.pair.index()];
        let hold_asset = match order.side {
            Side::Buy => pair.quote,
            Side::Sell => pair.base,
        };
        let mut transaction = Transaction::at(t_ns);
        transaction.release(&self.ledger, account, hold_asset, order.locked, id)?;
        let balance_events = self.ledger.commit(transaction);

        let amount = pair.book.reduce(order.side, order.ticks, id, order.left, true);
        let update_id = pair.book.next_update_id(t_ns);
        let price = exact::from_units(order.ticks, pair.config.precision);
        self.events.push(Event::Book(BookChange { t_ns, pair: order.pair, id: update_id, side: order.side, price, amount }));

        order.locked = Decimal::ZERO;
        order.update_t_ns = t_ns;
        order.end = Some((t_ns, FinishReason::Cancelled));
        self.tell_order(OrderEventKind::Finish, &order);
        if let Some(known) = self.history.order_mut(id) {
            *known = order.clone();
        }
        self.history.finish(id);
        self.tell_balances(balance_events);
        Ok(order)
    }

    /// Cancels all open orders of `account`, or those of one pair or side. Returns their ids, oldest first.
    pub fn cancel_all(&mut self, t_ns: u64, account: AccountId, pair: Option<PairId>, side: Option<Side>) -> Vec<OrderId> {
        let ids: Vec<OrderId> = self
            .history
            .open_orders(account, pair)
            .filter(|order| side.is_none_or(|side| order.side == side))
            .map(|order| order.id)
            .collect();
        ids.into_iter().filter(|id| self.cancel(t_ns, account, *id).is_ok()).collect()
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

    /// Checks that per asset all accounts and the fees collected sum to the deposits, exactly.
    ///
    /// # Errors
    /// [`ConservationError`] names the first asset that does not.
    pub fn conservation_check(&self) -> Result<(), ConservationError> {
        self.ledger.conservation_check(&self.assets)
    }

    // Inner steps of `place`.

    fn refuse_or_finish(&mut self, mut order: Order, reason: FinishReason, reject: Reject) -> Result<OrderId, Reject> {
        if self.unfillable == UnfillablePolicy::Refuse || order.account == AccountId::MARKET {
            return Err(reject);
        }
        order.locked = Decimal::ZERO;
        order.end = Some((order.create_t_ns, reason));
        self.last_order_id += 1;
        let id = order.id;
        self.tell_order(OrderEventKind::Finish, &order);
        self.history.add_finished(order);
        Ok(id)
    }

    /// Computes the money of all fills on copies; `taker` ends up as it will be.
    fn settle(
        &self,
        t_ns: u64,
        transaction: &mut Transaction,
        taker: &mut Order,
        taker_fees: FeeRates,
        fills: &[PlannedFill],
    ) -> Result<Vec<Settled>, Reject> {
        let pair = &self.pairs[taker.pair.index()];
        let mut settled = Vec::with_capacity(fills.len());
        for fill in fills {
            let price = exact::from_units(fill.ticks, pair.config.precision);
            let total = exact::multiply(price, fill.amount)?;
            let mut maker = self.history.order(fill.maker).expect("Invariant: a resting order is known").clone();
            let maker_fees = self.account(maker.account).expect("Invariant: an order has an account").fees;
            let taker_fee = self.advance(t_ns, transaction, taker, taker_fees.rate(Role::Taker), fill, total)?;
            let maker_fee = self.advance(t_ns, transaction, &mut maker, maker_fees.rate(Role::Maker), fill, total)?;
            if maker.left.is_zero() {
                maker.end = Some((t_ns, FinishReason::Filled));
                assert!(maker.locked.is_zero(), "Invariant: a filled order holds nothing");
            }
            settled.push(Settled { fill: *fill, price, taker_fee, maker_fee, maker_after: maker });
        }
        Ok(settled)
    }

    /// Books one fill for one of its orders: spends from the hold, returns a better price, receives net of the fee.
    fn advance(
        &self,
        t_ns: u64,
        transaction: &mut Transaction,
        order: &mut Order,
        rate: Decimal,
        fill: &PlannedFill,
        total: Decimal,
    ) -> Result<Decimal, Reject> {
        let pair = &self.pairs[order.pair.index()];
        let (spent_asset, spent, received_asset, received) = match order.side {
            Side::Buy => (pair.quote, total, pair.base, fill.amount),
            Side::Sell => (pair.base, fill.amount, pair.quote, total),
        };
        let fee = exact::fee_rounded_up(received, rate, self.asset(received_asset).decimals)?;
        transaction.spend(&self.ledger, order.account, spent_asset, spent, order.id)?;
        transaction.receive(&self.ledger, order.account, received_asset, received, fee, order.id)?;
        if order.account != AccountId::MARKET {
            order.locked = exact::subtract(order.locked, spent)?;
            if order.side == Side::Buy && order.kind == OrderKind::Limit {
                let held = exact::multiply(order.price, fill.amount)?;
                let better = exact::subtract(held, spent)?;
                transaction.release(&self.ledger, order.account, spent_asset, better, order.id)?;
                order.locked = exact::subtract(order.locked, better)?;
            }
        }
        let spends_quote = order.kind == OrderKind::Market && order.side == Side::Buy;
        order.left = exact::subtract(order.left, if spends_quote { total } else { fill.amount })?;
        order.filled_amount = exact::add(order.filled_amount, fill.amount)?;
        order.filled_total = exact::add(order.filled_total, total)?;
        order.fee = exact::add(order.fee, fee)?;
        order.update_t_ns = t_ns;
        Ok(fee)
    }

    fn apply_fills(&mut self, t_ns: u64, taker: &Order, settled: Vec<Settled>) {
        let mut rest = settled.into_iter().peekable();
        while let Some(Settled { fill, price, taker_fee, maker_fee, maker_after }) = rest.next() {
            let level_done = rest.peek().is_none_or(|next| next.fill.ticks != fill.ticks);
            self.last_trade_id += 1;
            let trade_id = TradeId(self.last_trade_id);
            let pair = &mut self.pairs[taker.pair.index()];
            pair.trade_sequence += 1;
            let sequence_id = pair.trade_sequence;
            let maker_gone = maker_after.end.is_some();
            let amount = pair.book.reduce(maker_after.side, fill.ticks, fill.maker, fill.amount, maker_gone);
            if level_done {
                let id = pair.book.next_update_id(t_ns);
                let change = BookChange { t_ns, pair: taker.pair, id, side: maker_after.side, price, amount };
                self.events.push(Event::Book(change));
            }
            let trade =
                PublicTrade { t_ns, trade_id, sequence_id, pair: taker.pair, taker_side: taker.side, price, amount: fill.amount };
            self.events.push(Event::Trade(trade));
            self.history.add_trade(trade);
            for (order, role, fee) in [(taker, Role::Taker, taker_fee), (&maker_after, Role::Maker, maker_fee)] {
                if order.account == AccountId::MARKET {
                    continue;
                }
                let fill = AccountTrade {
                    t_ns,
                    trade_id,
                    sequence_id,
                    account: order.account,
                    order_id: order.id,
                    pair: order.pair,
                    side: order.side,
                    role,
                    price,
                    amount: fill.amount,
                    fee,
                    fee_asset: order.fee_asset,
                    text: order.text.clone(),
                };
                self.events.push(Event::Fill(fill.clone()));
                self.history.add_fill(fill);
            }
            self.tell_order(if maker_gone { OrderEventKind::Finish } else { OrderEventKind::Update }, &maker_after);
            if let Some(known) = self.history.order_mut(fill.maker) {
                *known = maker_after;
            }
            if maker_gone {
                self.history.finish(fill.maker);
            }
        }
    }

    fn tell_order(&mut self, kind: OrderEventKind, order: &Order) {
        if order.account != AccountId::MARKET {
            self.events.push(Event::Order(OrderEvent { t_ns: order.update_t_ns, kind, order: order.clone() }));
        }
    }

    fn tell_balances(&mut self, events: Vec<BalanceEvent>) {
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
    let book = Book::new(config.precision, first_book_id);
    Ok(Pair { base, quote, book, trade_sequence: 0, config })
}

/// Checks everything about an order that needs no book and no balance. Returns its price in ticks (zero for market) and
/// the amount to hold.
fn check_order(pair: &Pair, assets: &[AssetConfig], new: &NewOrder) -> Result<(u64, Decimal), Reject> {
    let rules = &pair.config;
    // The market model keeps quoting whatever is open to others, and in sizes of its own.
    let is_market_account = new.account == AccountId::MARKET;
    if !is_market_account && !rules.trade_status.accepts(new.side) {
        return Err(Reject::PairNotTradable);
    }
    if new.amount <= Decimal::ZERO {
        return Err(Reject::BadAmount);
    }
    let spends_quote = new.kind == OrderKind::Market && new.side == Side::Buy;
    let amount_decimals = if spends_quote { assets[pair.quote.index()].decimals } else { rules.amount_precision };
    let ticks = match new.kind {
        OrderKind::Limit => {
            if new.price <= Decimal::ZERO {
                return Err(Reject::BadPrice);
            }
            if !exact::fits(new.price, rules.precision) {
                return Err(Reject::BadPrecision { field: PrecisionField::Price, decimals: rules.precision });
            }
            exact::to_units(new.price, rules.precision).ok_or(Reject::BadPrice)?
        }
        OrderKind::Market if matches!(new.time_in_force, TimeInForce::Gtc | TimeInForce::Poc) => {
            return Err(Reject::BadTimeInForce);
        }
        OrderKind::Market => 0,
    };
    if !exact::fits(new.amount, amount_decimals) {
        return Err(Reject::BadPrecision { field: PrecisionField::Amount, decimals: amount_decimals });
    }
    let base_amount = if spends_quote { None } else { Some(new.amount) };
    let quote_amount = match (new.kind, new.side) {
        (OrderKind::Limit, _) => Some(exact::multiply(new.price, new.amount)?),
        (OrderKind::Market, Side::Buy) => Some(new.amount),
        (OrderKind::Market, Side::Sell) => None,
    };
    if !is_market_account {
        if let (Some(amount), Some(min)) = (base_amount, rules.min_base_amount)
            && amount < min
        {
            return Err(Reject::TooSmall { min });
        }
        if let (Some(amount), Some(min)) = (quote_amount, rules.min_quote_amount)
            && amount < min
        {
            return Err(Reject::TooSmallNotional { min });
        }
        if let (Some(amount), Some(max)) = (base_amount, rules.max_base_amount)
            && amount > max
        {
            return Err(Reject::TooLarge { max });
        }
        if let (Some(amount), Some(max)) = (quote_amount, rules.max_quote_amount)
            && amount > max
        {
            return Err(Reject::TooLargeNotional { max });
        }
    }
    let hold = match new.side {
        Side::Buy => quote_amount.ok_or(Reject::BadAmount)?,
        Side::Sell => new.amount,
    };
    Ok((ticks, hold))
}
