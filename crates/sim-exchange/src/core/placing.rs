//! Orders: places, amends and cancels them, matches and settles.
//!
//! Start at [`Exchange::place_with`]. It checks, in this order: account, pair and its status; kind and time in force; sign
//! and precision of price and amount; minimums and maximums; the price band; the client id; the balance; post-only and fill-or-kill. Then
//! it trades in price-time order at the makers' prices. A refusal leaves everything as it was.
//!
//! An amended order that loses its place arrives anew under its old id, and takes what its new price allows.

use rust_decimal::Decimal;

use super::{
    book::Place,
    config::{AssetConfig, ClientIdPolicy, UnfillablePolicy},
    event::{AccountTrade, BalanceReason, BookChange, Event, OrderEventKind, PublicTrade},
    exact,
    exchange::{Deduction, Exchange, Pair},
    ledger::Transaction,
    matching::{self, Arrival, Plan, PlannedFill, Stop},
    order::{Amendment, FinishReason, NewOrder, Order, PlaceOptions},
    reject::{PrecisionField, Reject},
    types::{AccountId, AssetId, FeeDebit, OrderId, OrderKind, PairId, Role, Side, StpAct, TimeInForce, TradeId},
};

/// A fee as it was charged; at most one of the three is above zero.
#[derive(Clone, Copy, Debug, Default)]
struct FeePaid {
    received: Decimal,
    gt: Decimal,
    points: Decimal,
}

/// A planned fill with its exact money, and the maker as it will be.
#[derive(Debug)]
struct Settled {
    fill: PlannedFill,
    price: Decimal,
    taker_fee: FeePaid,
    maker_fee: FeePaid,
    maker_after: Order,
    place: Place,
}

impl Exchange {
    /// Places an order at `t_ns`. The order it became, open or already finished, is found with [`Exchange::order`]; a
    /// finished one of the market account is forgotten at once.
    ///
    /// # Errors
    /// [`Reject`]; nothing has changed then.
    pub fn place(&mut self, t_ns: u64, new: NewOrder) -> Result<OrderId, Reject> {
        self.place_with(t_ns, new, PlaceOptions::default())
    }

    /// Like [`Exchange::place`], with all a request may say.
    ///
    /// # Errors
    /// [`Reject`]; nothing has changed then.
    pub fn place_with(&mut self, t_ns: u64, new: NewOrder, options: PlaceOptions) -> Result<OrderId, Reject> {
        let account = self.account(new.account).ok_or(Reject::UnknownAccount)?;
        let stp = match (account.stp_group, options.stp_act) {
            (Some(group), act) => Some((group, act.unwrap_or(StpAct::CancelNewest))),
            (None, None) => None,
            (None, Some(_)) => return Err(Reject::NoStpGroup),
        };
        let gt_rates = self.gt_rates(account).filter(|_| account.debit == FeeDebit::Gt);
        let pair = self.pairs.get(new.pair.index()).ok_or(Reject::UnknownPair)?;
        let (ticks, hold_amount) = check_order(pair, &self.assets, &new, t_ns)?;
        check_options(pair, &new, &options)?;
        if new.text.as_deref().is_some_and(|text| self.is_text_taken(new.account, text)) {
            return Err(Reject::DuplicateClientId);
        }
        let (hold_asset, fee_asset) = assets_of(pair, new.side);
        let id = OrderId(self.last_order_id + 1);
        let order = Order {
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
            gt_fee: Decimal::ZERO,
            point_fee: Decimal::ZERO,
            gt_rates,
            fee_asset,
            locked: if new.account == AccountId::MARKET { Decimal::ZERO } else { hold_amount },
            text: new.text,
            amend_text: None,
            iceberg: options.iceberg.normalize(),
            stp,
            source: options.source,
            create_t_ns: t_ns,
            update_t_ns: t_ns,
            end: None,
            ticks,
            shown: Decimal::ZERO,
            was_hidden: false,
        };
        let mut transaction = Transaction::at(t_ns);
        transaction.hold(&self.ledger, order.account, hold_asset, hold_amount, id, BalanceReason::OrderCreate)?;
        if let Some(reason) = options.ended {
            return Ok(self.finish_at_once(order, reason));
        }
        self.arrive(t_ns, order, transaction, &options, None)
    }

    /// Changes price or amount of an open order of `account`. The order keeps its id; it is found with
    /// [`Exchange::order`].
    ///
    /// A smaller amount at the same price keeps the place in the queue. Any other change puts the order behind all others
    /// at its price, or lets it trade at once. An amount that is already filled cancels the rest.
    ///
    /// # Errors
    /// [`Reject`]; nothing has changed then. [`Reject::NoChange`] when both figures are what they were.
    pub fn amend(&mut self, t_ns: u64, account: AccountId, id: OrderId, amendment: Amendment) -> Result<(), Reject> {
        self.amend_as(t_ns, account, id, amendment, None)
    }

    /// Like [`Exchange::amend`]; the order has `client_id` from then on, and its old one is free.
    ///
    /// # Errors
    /// [`Reject`]; nothing has changed then. [`Reject::DuplicateClientId`] when another order has that client id.
    pub fn amend_as(
        &mut self,
        t_ns: u64,
        account: AccountId,
        id: OrderId,
        amendment: Amendment,
        client_id: Option<String>,
    ) -> Result<(), Reject> {
        let before = self.open_order(account, id)?.clone();
        let renamed = client_id.as_deref().filter(|text| before.text.as_deref() != Some(*text));
        if renamed.is_some_and(|text| self.is_text_taken(account, text)) {
            return Err(Reject::DuplicateClientId);
        }
        let price = amendment.price.unwrap_or(before.price).normalize();
        let amount = amendment.amount.unwrap_or(before.amount).normalize();
        if price == before.price && amount == before.amount {
            return Err(Reject::NoChange);
        }
        let pair = &self.pairs[before.pair.index()];
        let new = NewOrder {
            account,
            pair: before.pair,
            side: before.side,
            kind: before.kind,
            time_in_force: before.time_in_force,
            price,
            amount,
            text: None,
        };
        let (ticks, _) = check_order(pair, &self.assets, &new, t_ns)?;
        if amount <= before.filled_amount {
            if let Some(known) = self.history.order_mut(id) {
                known.amend_text = amendment.text.or(before.amend_text);
            }
            self.end_open(t_ns, account, id, FinishReason::Cancelled)?;
            return Ok(());
        }
        let (hold_asset, _) = assets_of(pair, before.side);
        let left = exact::subtract(amount, before.filled_amount)?;
        let hold = match (account, before.side) {
            (AccountId::MARKET, _) => Decimal::ZERO,
            (_, Side::Buy) => exact::multiply(price, left)?,
            (_, Side::Sell) => left,
        };
        let mut order = Order { price, amount, left, ticks, locked: hold, update_t_ns: t_ns, ..before.clone() };
        order.amend_text = amendment.text.or(order.amend_text);
        order.text = client_id.or(order.text);
        let mut transaction = Transaction::at(t_ns);
        if hold > before.locked {
            let more = exact::subtract(hold, before.locked)?;
            transaction.hold(&self.ledger, account, hold_asset, more, id, BalanceReason::OrderAmend)?;
        } else {
            let less = exact::subtract(before.locked, hold)?;
            transaction.release(&self.ledger, account, hold_asset, less, id)?;
        }
        if ticks == before.ticks && left < before.left {
            let less = exact::subtract(before.left, left)?;
            order.shown = before.shown.min(left);
            let less_hidden = exact::subtract(before.hidden(), order.hidden())?;
            let balance_events = self.ledger.commit(transaction);
            self.take_off_book(t_ns, &before, less, less_hidden, Place::Keeps);
            self.tell_order(OrderEventKind::Update, &order);
            self.history.replace(order);
            self.tell_balances(balance_events);
            return Ok(());
        }
        let would_take = pair.book.best_ticks(before.side.opposite()).is_some_and(|best| crosses(before.side, ticks, best));
        if before.time_in_force == TimeInForce::Poc && would_take {
            if self.unfillable != UnfillablePolicy::AcceptThenCancel {
                return Err(Reject::PostOnlyWouldTake);
            }
            self.end_open(t_ns, account, id, FinishReason::Poc)?;
            return Ok(());
        }
        (order.shown, order.was_hidden) = (Decimal::ZERO, false);
        self.arrive(t_ns, order, transaction, &PlaceOptions::default(), Some(before)).map(|_| ())
    }

    /// Cancels an open order of `account`. Returns it as it ended.
    ///
    /// # Errors
    /// [`Reject::OrderNotFound`] when `account` has no such order, [`Reject::OrderClosed`] when it has ended.
    pub fn cancel(&mut self, t_ns: u64, account: AccountId, id: OrderId) -> Result<Order, Reject> {
        self.end_open(t_ns, account, id, FinishReason::Cancelled)
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

    fn open_order(&self, account: AccountId, id: OrderId) -> Result<&Order, Reject> {
        let order = self.history.order(id).filter(|order| order.account == account).ok_or(Reject::OrderNotFound)?;
        if order.end.is_some() { Err(Reject::OrderClosed) } else { Ok(order) }
    }

    /// Ends an open order: frees its hold, takes it off the book, tells.
    fn end_open(&mut self, t_ns: u64, account: AccountId, id: OrderId, reason: FinishReason) -> Result<Order, Reject> {
        let order = self.open_order(account, id)?.clone();
        let (hold_asset, _) = assets_of(&self.pairs[order.pair.index()], order.side);
        let mut transaction = Transaction::at(t_ns);
        transaction.release(&self.ledger, account, hold_asset, order.locked, id)?;
        let balance_events = self.ledger.commit(transaction);
        let order = self.retire(t_ns, order, reason);
        self.tell_balances(balance_events);
        Ok(order)
    }

    /// Takes an order off the book and among the finished ones. Its hold has been released.
    fn retire(&mut self, t_ns: u64, mut order: Order, reason: FinishReason) -> Order {
        self.take_off_book(t_ns, &order, order.left, order.hidden(), Place::Leaves);
        order.locked = Decimal::ZERO;
        order.shown = Decimal::ZERO;
        order.update_t_ns = t_ns;
        order.end = Some((t_ns, reason));
        self.tell_order(OrderEventKind::Finish, &order);
        self.history.end(&order);
        order
    }

    /// Takes part of a resting order off its level, `hidden` of which was not shown.
    fn take_off_book(&mut self, t_ns: u64, order: &Order, amount: Decimal, hidden: Decimal, place: Place) {
        let pair = &mut self.pairs[order.pair.index()];
        let level = pair.book.reduce(order.side, order.ticks, order.id, amount, hidden, place);
        let id = pair.book.next_update_id(t_ns);
        let price = exact::from_units(order.ticks, pair.config.precision);
        self.events.push(Event::Book(BookChange { t_ns, pair: order.pair, id, side: order.side, price, amount: level }));
    }

    /// An order arrives at the book, new or amended; its hold is part of `transaction`. `rested` is the order as it rests
    /// until now.
    fn arrive(
        &mut self,
        t_ns: u64,
        mut order: Order,
        mut transaction: Transaction,
        options: &PlaceOptions,
        rested: Option<Order>,
    ) -> Result<OrderId, Reject> {
        let pair = &self.pairs[order.pair.index()];
        let (hold_asset, _) = assets_of(pair, order.side);
        let best = pair.book.best_ticks(order.side.opposite());
        let limit_ticks = match order.kind {
            OrderKind::Limit => Some(order.ticks),
            OrderKind::Market => match (options.slippage, best) {
                (Some(slippage), Some(best)) => Some(slippage_bound(best, order.side, slippage, pair.config.precision)?),
                _ => None,
            },
        };
        let stp_act = order.stp.map_or(StpAct::CancelNewest, |(_, act)| act);
        let arrival = Arrival {
            account: order.account,
            side: order.side,
            kind: order.kind,
            limit_ticks,
            stp_act,
            amount: order.left,
            precision: pair.config.precision,
            amount_precision: pair.config.amount_precision,
        };
        let would_take = best.is_some_and(|best| arrival.crosses(best));
        if order.time_in_force == TimeInForce::Poc && would_take {
            return self.refuse_or_finish(order, FinishReason::Poc, Reject::PostOnlyWouldTake);
        }
        let plan = if would_take {
            let is_own = |other: AccountId| self.is_same_group(&order, other);
            let mut plan = matching::plan(&pair.book, &self.history, &arrival, is_own).ok_or(Reject::NotRepresentable)?;
            if let Some(most) = options.fill_max.filter(|most| *most < order.left && order.time_in_force == TimeInForce::Ioc) {
                plan.keep(most).ok_or(Reject::NotRepresentable)?;
            }
            plan
        } else {
            Plan { fills: Vec::new(), makes_way: Vec::new(), stop: Stop::NoMatch }
        };
        if order.time_in_force == TimeInForce::Fok && plan.stop != Stop::Filled {
            return self.refuse_or_finish(order, FinishReason::Fok, Reject::FokNotFilled);
        }
        if order.kind == OrderKind::Market && plan.fills.is_empty() && plan.stop != Stop::OwnOrder {
            return match (plan.stop, self.unfillable) {
                (Stop::NoMatch, UnfillablePolicy::RefusePostOnly | UnfillablePolicy::AcceptThenCancel) => {
                    self.refuse_or_finish(order, FinishReason::Ioc, Reject::NoLiquidity)
                }
                (Stop::NoMatch, _) => Err(Reject::NoLiquidity),
                (Stop::Filled | Stop::OwnOrder, _) => Err(Reject::BadAmount),
            };
        }

        let settled = self.settle(t_ns, &mut transaction, &mut order, &plan.fills)?;
        let makes_way = self.release_makers(&mut transaction, &plan.makes_way)?;
        let rests = match (plan.stop, order.time_in_force) {
            (Stop::NoMatch, TimeInForce::Gtc | TimeInForce::Poc) => true,
            (Stop::Filled | Stop::OwnOrder, _) | (_, TimeInForce::Ioc | TimeInForce::Fok) => false,
        };
        if rests {
            let book = &self.pairs[order.pair.index()].book;
            book.total_with(order.side, order.ticks, order.left).ok_or(Reject::NotRepresentable)?;
        } else {
            transaction.release(&self.ledger, order.account, hold_asset, order.locked, order.id)?;
            order.locked = Decimal::ZERO;
            let reason = match plan.stop {
                Stop::Filled => FinishReason::Filled,
                Stop::NoMatch if order.kind == OrderKind::Market && limit_ticks.is_some() => FinishReason::PriceProtect,
                Stop::NoMatch => FinishReason::Ioc,
                Stop::OwnOrder => FinishReason::SelfTrade,
            };
            order.end = Some((t_ns, reason));
        }

        // From here on nothing can fail.
        let id = order.id;
        let balance_events = self.ledger.commit(transaction);
        if let Some(rested) = &rested {
            self.take_off_book(t_ns, rested, rested.left, rested.hidden(), Place::Leaves);
        } else {
            self.last_order_id += 1;
        }
        for maker in makes_way {
            self.retire(t_ns, maker, FinishReason::SelfTrade);
        }
        self.apply_fills(t_ns, &order, settled);
        if rests {
            order.shown = order.tip(order.left);
            self.rest(t_ns, &order);
        }
        let kind = match (rests, &rested) {
            (false, _) => OrderEventKind::Finish,
            (true, None) => OrderEventKind::Put,
            (true, Some(_)) => OrderEventKind::Update,
        };
        self.tell_order(kind, &order);
        match (rests, rested) {
            (true, None) => self.history.add_open(order),
            (false, None) => self.history.add_finished(order),
            (_, Some(_)) => {
                self.history.replace(order);
                if !rests {
                    self.history.finish(id);
                }
            }
        }
        self.tell_balances(balance_events);
        Ok(id)
    }

    /// Puts the remainder at the end of its level's queue.
    fn rest(&mut self, t_ns: u64, order: &Order) {
        let pair = &mut self.pairs[order.pair.index()];
        let amount = pair.book.insert(order.side, order.ticks, order.id, order.left, order.hidden());
        let id = pair.book.next_update_id(t_ns);
        assert!(pair.book.is_uncrossed(), "Invariant: a resting order does not cross the book");
        let price = exact::from_units(order.ticks, pair.config.precision);
        self.events.push(Event::Book(BookChange { t_ns, pair: order.pair, id, side: order.side, price, amount }));
    }

    /// Whether a new order of `account` may not have this client id.
    fn is_text_taken(&self, account: AccountId, text: &str) -> bool {
        let known = self.history.order_by_text(account, text);
        match self.client_ids {
            ClientIdPolicy::Shadowed => false,
            // An open order is always the newest of its id: while it lives, no other gets it.
            ClientIdPolicy::UniqueAmongOpen => known.is_some_and(|order| order.end.is_none()),
            ClientIdPolicy::Unique => known.is_some(),
        }
    }

    fn is_same_group(&self, order: &Order, other: AccountId) -> bool {
        let group = order.stp.map(|(group, _)| group);
        group.is_some() && self.account(other).is_some_and(|account| account.stp_group == group)
    }

    fn refuse_or_finish(&mut self, order: Order, reason: FinishReason, reject: Reject) -> Result<OrderId, Reject> {
        let is_refused = match self.unfillable {
            UnfillablePolicy::Refuse => true,
            UnfillablePolicy::AcceptThenCancel => false,
            UnfillablePolicy::RefusePostOnly => reason == FinishReason::Poc,
        };
        if is_refused || order.account == AccountId::MARKET {
            return Err(reject);
        }
        Ok(self.finish_at_once(order, reason))
    }

    /// Gives an order its id and ends it before it held or traded anything.
    fn finish_at_once(&mut self, mut order: Order, reason: FinishReason) -> OrderId {
        order.locked = Decimal::ZERO;
        order.end = Some((order.create_t_ns, reason));
        self.last_order_id += 1;
        let id = order.id;
        self.tell_order(OrderEventKind::Finish, &order);
        self.history.add_finished(order);
        id
    }

    /// Frees the holds of orders that make way for one of their own group, and returns the orders.
    fn release_makers(&self, transaction: &mut Transaction, ids: &[OrderId]) -> Result<Vec<Order>, Reject> {
        let mut makers = Vec::with_capacity(ids.len());
        for id in ids {
            let maker = self.history.order(*id).expect("Invariant: a resting order is known").clone();
            let (hold_asset, _) = assets_of(&self.pairs[maker.pair.index()], maker.side);
            transaction.release(&self.ledger, maker.account, hold_asset, maker.locked, maker.id)?;
            makers.push(maker);
        }
        Ok(makers)
    }

    /// Computes the money of all fills on copies; `taker` ends up as it will be.
    fn settle(
        &self,
        t_ns: u64,
        transaction: &mut Transaction,
        taker: &mut Order,
        fills: &[PlannedFill],
    ) -> Result<Vec<Settled>, Reject> {
        let pair = &self.pairs[taker.pair.index()];
        let mut settled: Vec<Settled> = Vec::with_capacity(fills.len());
        for fill in fills {
            let price = exact::from_units(fill.ticks, pair.config.precision);
            let total = exact::multiply(price, fill.amount)?;
            // An iceberg may be met more than once.
            let met = settled.iter().rev().find(|earlier| earlier.fill.maker == fill.maker).map(|earlier| &earlier.maker_after);
            let mut maker = met.or(self.history.order(fill.maker)).expect("Invariant: a resting order is known").clone();
            let taker_fee = self.advance(t_ns, transaction, taker, Role::Taker, fill, total)?;
            let maker_fee = self.advance(t_ns, transaction, &mut maker, Role::Maker, fill, total)?;
            maker.shown = exact::subtract(maker.shown, fill.amount)?;
            let mut place = Place::Keeps;
            if maker.left.is_zero() {
                place = Place::Leaves;
                maker.end = Some((t_ns, FinishReason::Filled));
                assert!(maker.locked.is_zero(), "Invariant: a filled order holds nothing");
            } else if maker.shown.is_zero() {
                place = Place::GoesBehind;
                (maker.shown, maker.was_hidden) = (maker.tip(maker.left), true);
            }
            settled.push(Settled { fill: *fill, price, taker_fee, maker_fee, maker_after: maker, place });
        }
        Ok(settled)
    }

    /// Books one fill for one of its orders: spends from the hold, returns a better price, receives, pays the fee.
    fn advance(
        &self,
        t_ns: u64,
        transaction: &mut Transaction,
        order: &mut Order,
        role: Role,
        fill: &PlannedFill,
        total: Decimal,
    ) -> Result<FeePaid, Reject> {
        let pair = &self.pairs[order.pair.index()];
        let (spent_asset, received_asset) = assets_of(pair, order.side);
        let (spent, received) = match order.side {
            Side::Buy => (total, fill.amount),
            Side::Sell => (fill.amount, total),
        };
        transaction.spend(&self.ledger, order.account, spent_asset, spent, order.id)?;
        transaction.receive(&self.ledger, order.account, received_asset, received, order.id)?;
        let fee = self.charge(transaction, order, role, received_asset, received, total)?;
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
        order.fee = exact::add(order.fee, fee.received)?;
        order.gt_fee = exact::add(order.gt_fee, fee.gt)?;
        order.point_fee = exact::add(order.point_fee, fee.points)?;
        order.update_t_ns = t_ns;
        Ok(fee)
    }

    /// Charges the fee of one fill, in the asset its account chose if it has enough of that.
    fn charge(
        &self,
        transaction: &mut Transaction,
        order: &Order,
        role: Role,
        received_asset: AssetId,
        received: Decimal,
        total: Decimal,
    ) -> Result<FeePaid, Reject> {
        let account = self.account(order.account).expect("Invariant: an order has an account");
        // What an iceberg hid pays as a taker.
        let rate = account.fees.rate(if role == Role::Maker && order.was_hidden { Role::Taker } else { role });
        if rate.is_zero() {
            return Ok(FeePaid::default());
        }
        let deduction = match account.debit {
            FeeDebit::Received => None,
            FeeDebit::Gt => self.gt.as_ref(),
            FeeDebit::Points => self.points.as_ref(),
        };
        if let Some(deduction) = deduction
            && let Some(fee) = self.fee_in(deduction, order.pair, rate, total)?
            && transaction.balance(&self.ledger, order.account, deduction.asset).available >= fee
        {
            transaction.pay_fee(&self.ledger, order.account, deduction.asset, fee, order.id)?;
            return Ok(match account.debit {
                FeeDebit::Points => FeePaid { points: fee, ..FeePaid::default() },
                _ => FeePaid { gt: fee, ..FeePaid::default() },
            });
        }
        let fee = exact::fee_rounded_up(received, rate, self.asset(received_asset).decimals)?;
        transaction.pay_fee(&self.ledger, order.account, received_asset, fee, order.id)?;
        Ok(FeePaid { received: fee, ..FeePaid::default() })
    }

    /// The fee of a fill worth `total` quote in another asset: the fee in quote, rounded up at the quote's decimals, over
    /// the asset's price, rounded up at its own. `None` when the asset has no price in this quote.
    fn fee_in(&self, deduction: &Deduction, pair: PairId, rate: Decimal, total: Decimal) -> Result<Option<Decimal>, Reject> {
        let quote = self.pairs[pair.index()].quote;
        let Some((_, price)) = deduction.prices.iter().find(|(asset, _)| *asset == quote) else { return Ok(None) };
        let rate = exact::multiply(rate, deduction.rate_factor)?;
        let fee = exact::fee_rounded_up(total, rate, self.asset(quote).decimals)?;
        Ok(exact::divide_rounded_up(fee, *price, self.asset(deduction.asset).decimals))
    }

    fn apply_fills(&mut self, t_ns: u64, taker: &Order, settled: Vec<Settled>) {
        let mut rest = settled.into_iter().peekable();
        while let Some(Settled { fill, price, taker_fee, maker_fee, maker_after, place }) = rest.next() {
            let level_done = rest.peek().is_none_or(|next| next.fill.ticks != fill.ticks);
            self.last_trade_id += 1;
            let trade_id = TradeId(self.last_trade_id);
            let pair = &mut self.pairs[taker.pair.index()];
            pair.trade_sequence += 1;
            pair.last_price = Some(price);
            let sequence_id = pair.trade_sequence;
            let maker_gone = maker_after.end.is_some();
            let before = self.history.order(fill.maker).expect("Invariant: a resting order is known");
            let less_hidden =
                exact::subtract(before.hidden(), maker_after.hidden()).expect("Invariant: an order hides no more than it has");
            let amount = pair.book.reduce(maker_after.side, fill.ticks, fill.maker, fill.amount, less_hidden, place);
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
                    fee: fee.received,
                    fee_asset: order.fee_asset,
                    gt_fee: fee.gt,
                    point_fee: fee.points,
                    text: order.text.clone(),
                    amend_text: order.amend_text.clone(),
                    source: order.source,
                };
                self.events.push(Event::Fill(fill.clone()));
                self.history.add_fill(fill);
            }
            self.tell_order(if maker_gone { OrderEventKind::Finish } else { OrderEventKind::Update }, &maker_after);
            self.history.replace(maker_after);
            if maker_gone {
                self.history.finish(fill.maker);
            }
        }
    }
}

/// The asset an order of `side` holds and spends, and the one it receives.
fn assets_of(pair: &Pair, side: Side) -> (AssetId, AssetId) {
    match side {
        Side::Buy => (pair.quote, pair.base),
        Side::Sell => (pair.base, pair.quote),
    }
}

fn crosses(side: Side, ticks: u64, best: u64) -> bool {
    match side {
        Side::Buy => best <= ticks,
        Side::Sell => best >= ticks,
    }
}

/// The worst price, in ticks, that a market order may reach from `best`.
fn slippage_bound(best: u64, side: Side, slippage: Decimal, precision: u32) -> Result<u64, Reject> {
    let best_price = exact::from_units(best, precision);
    let (factor, up) = match side {
        Side::Buy => (exact::add(Decimal::ONE, slippage)?, false),
        Side::Sell => (exact::subtract(Decimal::ONE, slippage)?.max(Decimal::ZERO), true),
    };
    let bound = exact::multiply(best_price, factor)?;
    let rounded = if up {
        exact::divide_rounded_up(bound, Decimal::ONE, precision)
    } else {
        exact::divide_rounded_down(bound, Decimal::ONE, precision)
    };
    rounded.and_then(|price| exact::to_units(price, precision)).ok_or(Reject::BadSlippage)
}

fn check_options(pair: &Pair, new: &NewOrder, options: &PlaceOptions) -> Result<(), Reject> {
    if new.kind == OrderKind::Limit {
        if options.iceberg < Decimal::ZERO || options.iceberg > new.amount {
            return Err(Reject::BadIceberg);
        }
        let decimals = pair.config.amount_precision;
        if !exact::fits(options.iceberg, decimals) {
            return Err(Reject::BadPrecision { field: PrecisionField::Amount, decimals });
        }
    }
    if let Some(slippage) = options.slippage {
        let too_wide = pair.config.slippage_max.is_some_and(|max| slippage > max);
        if new.kind != OrderKind::Market || slippage < Decimal::ZERO || too_wide {
            return Err(Reject::BadSlippage);
        }
    }
    Ok(())
}

/// Checks everything about an order that needs no balance. Returns its price in ticks (zero for market) and the amount to
/// hold.
fn check_order(pair: &Pair, assets: &[AssetConfig], new: &NewOrder, t_ns: u64) -> Result<(u64, Decimal), Reject> {
    let rules = &pair.config;
    // The market model keeps quoting whatever is open to others, and in sizes of its own.
    let is_market_account = new.account == AccountId::MARKET;
    if !is_market_account && !pair.accepts(new.side, t_ns) {
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
        check_sizes(pair, new.kind, base_amount, quote_amount)?;
        if new.kind == OrderKind::Limit {
            check_band(pair, new.side, new.price)?;
        }
    }
    let hold = match new.side {
        Side::Buy => quote_amount.ok_or(Reject::BadAmount)?,
        Side::Sell => new.amount,
    };
    Ok((ticks, hold))
}

fn check_sizes(pair: &Pair, kind: OrderKind, base: Option<Decimal>, quote: Option<Decimal>) -> Result<(), Reject> {
    let rules = &pair.config;
    let bound = |limit: Option<Decimal>| limit.filter(|limit| !limit.is_zero());
    if let (Some(amount), Some(min)) = (base, rules.min_base_amount)
        && amount < min
    {
        return Err(Reject::TooSmall { min });
    }
    if let (Some(amount), Some(min)) = (quote, rules.min_quote_amount)
        && amount < min
    {
        return Err(Reject::TooSmallNotional { min });
    }
    let of_market = |limit: Option<Decimal>| if kind == OrderKind::Market { bound(limit) } else { None };
    for max in [bound(rules.max_base_amount), of_market(rules.market_max_base)].into_iter().flatten() {
        if base.is_some_and(|amount| amount > max) {
            return Err(Reject::TooLarge { max });
        }
    }
    for max in [bound(rules.max_quote_amount), of_market(rules.market_max_quote)].into_iter().flatten() {
        if quote.is_some_and(|amount| amount > max) {
            return Err(Reject::TooLargeNotional { max });
        }
    }
    Ok(())
}

/// The price band: how far a limit buy may stand above, or a limit sell below, the last trade, or the middle of the book
/// before the first one. Without either nothing can be measured, and nothing is refused.
fn check_band(pair: &Pair, side: Side, price: Decimal) -> Result<(), Reject> {
    let rate = match side {
        Side::Buy => pair.config.up_rate,
        Side::Sell => pair.config.down_rate,
    };
    let Some(rate) = rate else { return Ok(()) };
    let Some(reference) = pair.last_price.or_else(|| pair.book.mid_rounded_down()) else { return Ok(()) };
    let outside = match side {
        Side::Buy => price > exact::multiply(reference, exact::add(Decimal::ONE, rate)?)?,
        Side::Sell => price < exact::multiply(reference, exact::subtract(Decimal::ONE, rate)?)?,
    };
    if outside { Err(Reject::PriceOutsideBand { reference }) } else { Ok(()) }
}
