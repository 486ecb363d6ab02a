//! Random sessions of every operation: money is conserved to the digit, nothing is negative, holds are the open orders, fees
//! are what the fills say, refusals change nothing, and the events rebuild the book and the balances.

use super::*;

#[derive(Clone, Debug)]
enum Act {
    Place { who: u32, side: Side, ticks: u64, units: u64, tif: TimeInForce, act: Option<StpAct>, tip: u64 },
    Market { who: u32, side: Side, units: u64, slippage_bps: Option<i64> },
    Amend { who: u32, nth: usize, ticks: Option<u64>, units: Option<u64> },
    Cancel { who: u32, nth: usize },
    CancelAll { who: u32, side: Option<Side> },
    Debit { who: u32, debit: FeeDebit },
    Arm { who: u32, after: u64 },
    Deposit { who: u32, asset: u32, units: u64 },
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let side = || prop_oneof![Just(Side::Buy), Just(Side::Sell)];
    let tif = prop_oneof![5 => Just(TimeInForce::Gtc), 2 => Just(TimeInForce::Ioc), 1 => Just(TimeInForce::Fok), 1 => Just(TimeInForce::Poc)];
    let act = prop_oneof![
        3 => Just(None),
        1 => Just(Some(StpAct::CancelNewest)),
        2 => Just(Some(StpAct::CancelOldest)),
        1 => Just(Some(StpAct::CancelBoth)),
    ];
    let debit = prop_oneof![Just(FeeDebit::Received), Just(FeeDebit::Gt), Just(FeeDebit::Points)];
    let tip = prop_oneof![3 => Just(0u64), 2 => 50u64..3_000];
    let place = (0u32..4, side(), 995u64..1006, 300u64..20_000, tif, act, tip)
        .prop_map(|(who, side, ticks, units, tif, act, tip)| Act::Place { who, side, ticks, units, tif, act, tip });
    let market =
        (1u32..4, side(), 300u64..20_000, proptest::option::of(0i64..60)).prop_map(|(who, side, units, slippage_bps)| {
            let units = if side == Side::Buy { units * 100 } else { units };
            Act::Market { who, side, units, slippage_bps }
        });
    let amend = (0u32..4, 0usize..6, proptest::option::of(994u64..1007), proptest::option::of(100u64..25_000))
        .prop_map(|(who, nth, ticks, units)| Act::Amend { who, nth, ticks, units });
    prop::collection::vec(
        prop_oneof![
            8 => place,
            2 => market,
            4 => amend,
            2 => (0u32..4, 0usize..6).prop_map(|(who, nth)| Act::Cancel { who, nth }),
            1 => (1u32..4, proptest::option::of(side())).prop_map(|(who, side)| Act::CancelAll { who, side }),
            1 => (1u32..4, debit).prop_map(|(who, debit)| Act::Debit { who, debit }),
            1 => (1u32..4, 1u64..5).prop_map(|(who, after)| Act::Arm { who, after }),
            1 => (1u32..4, 0u32..5, 1u64..5_000).prop_map(|(who, asset, units)| Act::Deposit { who, asset, units }),
        ],
        1..140,
    )
}

fn exchange() -> Exchange {
    let mut config = config(UnfillablePolicy::Refuse);
    config.assets[1].decimals = 6;
    config.pairs.truncate(1);
    for (name, decimals) in [("GT", 7), ("POINT", 4)] {
        config.assets.push(AssetConfig { name: name.to_owned(), decimals });
    }
    config.deduction.gt_prices = vec![("USDT".to_owned(), dec("7.3"))];
    config.history = HistoryLimits::default();
    let mut exchange = Exchange::new(config).expect("good configuration");
    for (user, maker, taker) in [(1, "0", "0.00075"), (2, "0.001", "0.002"), (3, "0.00033", "0.00129")] {
        let fees = FeeRates { maker: dec(maker), taker: dec(taker) };
        let account = exchange.add_account(user, "user", fees).expect("new user");
        for (asset, amount) in [(0, "400"), (1, "4"), (3, "0.02"), (4, "0.05")] {
            exchange.deposit(0, account, AssetId(asset), dec(amount)).expect("deposit");
        }
    }
    for user in [1, 2] {
        exchange.set_stp_group(AccountId(user), Some(9));
    }
    exchange
}

fn nth_open(exchange: &Exchange, market_orders: &[OrderId], who: u32, nth: usize) -> Option<OrderId> {
    if who == 0 {
        let open = market_orders.iter().filter(|id| exchange.order(**id).is_some_and(|order| order.end.is_none()));
        return open.copied().nth(nth);
    }
    exchange.open_orders(AccountId(who), None).map(|order| order.id).nth(nth)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn every_operation_keeps_the_books(acts in acts()) {
        let mut exchange = exchange();
        let mut market_orders: Vec<OrderId> = Vec::new();
        let mut book: BTreeMap<(Side, u64), u64> = BTreeMap::new();
        let mut balances: BTreeMap<(AccountId, AssetId), (Decimal, Decimal)> = BTreeMap::new();
        let mut fees: BTreeMap<AssetId, Decimal> = BTreeMap::new();
        let mut last_book_id = 7_000;
        for (step, act) in acts.iter().enumerate() {
            let t_ns = step as u64 + 1;
            exchange.fire_countdowns(t_ns);
            let before = format!("{exchange:?}");
            let refused = match act {
                Act::Place { who, side, ticks, units, tif, act, tip } => {
                    let order = NewOrder {
                        account: AccountId(*who), pair: BTC_USDT, side: *side, kind: OrderKind::Limit, time_in_force: *tif,
                        price: exact::from_units(*ticks, 1), amount: exact::from_units(*units, 4), text: None,
                    };
                    let iceberg = exact::from_units(*tip, 4);
                    let options = PlaceOptions { stp_act: *act, iceberg, ..PlaceOptions::default() };
                    let placed = exchange.place_with(t_ns, order, options);
                    if *who == 0 && let Ok(id) = placed {
                        market_orders.push(id);
                    }
                    placed.is_err()
                }
                Act::Market { who, side, units, slippage_bps } => {
                    let order = NewOrder {
                        account: AccountId(*who), pair: BTC_USDT, side: *side, kind: OrderKind::Market,
                        time_in_force: TimeInForce::Ioc, price: Decimal::ZERO, amount: exact::from_units(*units, 4), text: None,
                    };
                    let slippage = slippage_bps.map(|bps| Decimal::new(bps, 4));
                    exchange.place_with(t_ns, order, PlaceOptions { slippage, ..PlaceOptions::default() }).is_err()
                }
                Act::Amend { who, nth, ticks, units } => {
                    let Some(id) = nth_open(&exchange, &market_orders, *who, *nth) else { continue };
                    let amendment = Amendment {
                        price: ticks.map(|ticks| exact::from_units(ticks, 1)),
                        amount: units.map(|units| exact::from_units(units, 4)),
                        text: None,
                    };
                    let old = exchange.order(id).expect("open").clone();
                    let amended = exchange.amend(t_ns, AccountId(*who), id, amendment.clone());
                    if let (Ok(()), Some(order)) = (&amended, exchange.order(id)) {
                        prop_assert!(order.filled_amount >= old.filled_amount);
                        if order.end.is_none() {
                            prop_assert_eq!(order.amount, amendment.amount.unwrap_or(old.amount).normalize());
                            prop_assert_eq!(order.left, order.amount - order.filled_amount);
                        }
                    }
                    amended.is_err()
                }
                Act::Cancel { who, nth } => {
                    let Some(id) = nth_open(&exchange, &market_orders, *who, *nth) else { continue };
                    prop_assert!(exchange.cancel(t_ns, AccountId(*who), id).is_ok());
                    false
                }
                Act::CancelAll { who, side } => {
                    exchange.cancel_all(t_ns, AccountId(*who), None, *side);
                    let left = exchange.open_orders(AccountId(*who), None).filter(|order| side.is_none_or(|side| order.side == side));
                    prop_assert_eq!(left.count(), 0);
                    false
                }
                Act::Debit { who, debit } => {
                    exchange.set_fee_debit(AccountId(*who), *debit);
                    false
                }
                Act::Arm { who, after } => {
                    exchange.arm_countdown(AccountId(*who), None, Some(t_ns + after));
                    false
                }
                Act::Deposit { who, asset, units } => {
                    exchange.deposit(t_ns, AccountId(*who), AssetId(*asset), exact::from_units(*units, 4)).is_err()
                }
            };
            if refused {
                prop_assert_eq!(format!("{exchange:?}"), before, "a refusal changes nothing");
            }
            for event in exchange.take_events() {
                match event {
                    Event::Book(change) => {
                        prop_assert_eq!(change.id, last_book_id + 1, "ids have no holes");
                        last_book_id = change.id;
                        book.insert((change.side, exact::to_units(change.price, 1).expect("tick")), units_of(change.amount));
                    }
                    Event::Balance(b) => {
                        let entry = balances.entry((b.account, b.asset)).or_default();
                        entry.0 += b.change;
                        entry.1 += b.locked_change;
                        prop_assert_eq!((b.total, b.locked), *entry, "changes sum to what is told");
                    }
                    Event::Fill(fill) => {
                        let one = [fill.fee, fill.gt_fee, fill.point_fee].iter().filter(|fee| !fee.is_zero()).count();
                        prop_assert!(one <= 1, "one asset pays");
                        for (asset, fee) in [(fill.fee_asset, fill.fee), (AssetId(3), fill.gt_fee), (AssetId(4), fill.point_fee)] {
                            *fees.entry(asset).or_default() += fee;
                        }
                    }
                    Event::Order(event) => {
                        let order = &event.order;
                        let left = order.amount - if order.kind == OrderKind::Market && order.side == Side::Buy {
                            order.filled_total
                        } else {
                            order.filled_amount
                        };
                        prop_assert!(order.left == left || order.finish() == Some(FinishReason::Cancelled), "{order:?}");
                    }
                    Event::Trade(_) => {}
                }
            }
            book.retain(|_, units| *units > 0);
            let told: BTreeMap<(Side, u64), u64> = [Side::Buy, Side::Sell].into_iter()
                .flat_map(|side| exchange.book(BTC_USDT).levels(side).map(move |level| (side, level)))
                .map(|(side, level)| ((side, exact::to_units(level.price, 1).expect("tick")), units_of(level.amount)))
                .collect();
            prop_assert_eq!(&told, &book, "the changes rebuild the book");
            check_state(&exchange);
            for (asset, collected) in &fees {
                prop_assert_eq!(exchange.fees_collected(*asset), *collected, "fees are what the fills say");
            }
        }
        for account in [1, 2, 3].map(AccountId) {
            for (asset, balance) in exchange.balances(account) {
                let rows = exchange.balance_changes(account).filter(|(_, change)| change.asset == asset);
                let free: Decimal = rows.map(|(_, change)| change.change - change.locked_change).sum();
                prop_assert_eq!(free, balance.available, "the account book sums to what is free");
            }
        }
    }
}
