//! Rules that change while the session runs (F11).

use super::rig::{Rig, Sent, order};
use domain::time::SECOND;
use domain::{Command, Input, InstrumentRules, PairId, Qty, VenueId};
use venue::Transmit;

const ROW: &str = r#"{"id":"BTC_USDT","base":"BTC","quote":"USDT","min_base_amount":"0.001","min_quote_amount":"3","amount_precision":4,"precision":1,"trade_status":"tradable","trade_quotes":null}"#;

fn asked(rig: &mut Rig) -> Vec<Sent> {
    rig.requests().into_iter().filter(|sent| sent.request.path.contains("currency_pairs")).collect()
}

fn told(rig: &mut Rig) -> Vec<InstrumentRules> {
    let rules = |input| if let Input::Rules(rules) = input { Some(rules) } else { None };
    rig.take().into_iter().filter_map(rules).collect()
}

/// Places an order and lets it be refused; the rules that are asked for then.
fn refused(rig: &mut Rig, counter: u64, label: &str) -> Vec<Sent> {
    rig.submit(Command::Place(order(counter)));
    let sent = rig.requests().into_iter().find(|sent| sent.order).expect("an order");
    rig.answer(sent.ticket, 400, &format!(r#"{{"label":"{label}"}}"#));
    asked(rig)
}

#[test]
fn a_refusal_for_figures_or_market_asks_for_the_rules_once_and_not_soon_again() {
    for (label, asks) in
        [("INVALID_PRECISION", 1), ("INVALID_PARAM_VALUE", 1), ("TRADE_RESTRICTED", 1), ("BALANCE_NOT_ENOUGH", 0)]
    {
        let mut rig = Rig::live("order_book", true);
        let first = refused(&mut rig, 1, label);
        assert_eq!(first.len(), asks, "{label}");
        assert!(first.iter().all(|sent| sent.request.path == "/api/v4/spot/currency_pairs/BTC_USDT" && !sent.order));
        assert!(refused(&mut rig, 2, label).is_empty(), "{label}");
        rig.pass(10 * SECOND);
        assert_eq!(refused(&mut rig, 3, label).len(), asks, "{label}");
    }
}

#[test]
fn an_answer_is_told_in_the_scale_of_the_pair() {
    let mut rig = Rig::live("order_book", true);
    let sent = refused(&mut rig, 1, "INVALID_PRECISION").remove(0);
    rig.take();
    rig.answer(sent.ticket, 200, ROW);
    let rules = told(&mut rig).remove(0);
    let units = |units| Qty::from_units(units).unwrap();
    assert_eq!((rules.venue, rules.pair, rules.price_step), (VenueId(0), PairId(0), 10));
    assert_eq!((rules.qty_step, rules.qty_min, rules.can_buy, rules.can_sell), (units(100), units(1000), true, true));
}

#[test]
fn a_pair_that_is_gone_halted_or_too_fine_is_closed_and_what_may_pass_changes_nothing() {
    for (status, body, expected) in [
        (400, r#"{"label":"INVALID_CURRENCY_PAIR"}"#.to_string(), Some((false, false))),
        (200, ROW.replace("tradable", "untradable"), Some((false, false))),
        (200, ROW.replace("tradable", "sellable"), Some((false, true))),
        (200, ROW.replace("\"precision\":1", "\"precision\":9"), Some((false, false))),
        (200, ROW.replace("tradable", "dancing"), None),
        (200, ROW.replace("BTC_USDT", "ETH_USDT"), None),
        (200, "<html>".to_string(), None),
        (503, String::new(), None),
        (429, String::new(), None),
    ] {
        let mut rig = Rig::live("order_book", true);
        let sent = refused(&mut rig, 1, "INVALID_PRECISION").remove(0);
        rig.take();
        rig.answer(sent.ticket, status, &body);
        let open: Option<(bool, bool)> = told(&mut rig).first().map(|rules| (rules.can_buy, rules.can_sell));
        assert_eq!(open, expected, "{status} {body}");
    }
}

#[test]
fn every_pair_is_asked_for_every_ten_minutes() {
    let mut rig = Rig::live("order_book", false);
    let paths = |out: Vec<Transmit>| -> Vec<String> {
        let path = |one| if let Transmit::Request { request, .. } = one { Some(request.path) } else { None };
        out.into_iter().filter_map(path).filter(|path| path.contains("currency_pairs")).collect()
    };
    let mut seen = Vec::new();
    for _ in 0..125 {
        let out = rig.run(10 * SECOND);
        seen.extend(paths(out));
    }
    assert_eq!(seen.len(), 4, "{seen:?}");
    assert!(seen[0] != seen[1] && seen[0] == seen[2], "{seen:?}");
}

#[test]
fn a_closed_pair_is_asked_for_every_ten_seconds_until_it_is_open() {
    let mut rig = Rig::live("order_book", true);
    let mut ticket = refused(&mut rig, 1, "TRADE_RESTRICTED").remove(0).ticket;
    for (status, asks) in [("untradable", true), ("buyable", true), ("tradable", false)] {
        rig.answer(ticket, 200, &ROW.replace("tradable", status));
        let again = rig.run(11 * SECOND).into_iter().find_map(|one| match one {
            Transmit::Request { ticket, request, .. } if request.path.ends_with("/BTC_USDT") => Some(ticket),
            _ => None,
        });
        assert_eq!(again.is_some(), asks, "{status}");
        ticket = again.unwrap_or(ticket);
    }
}
