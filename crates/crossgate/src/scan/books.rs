//! Executable edges between full books of one moment: both books walked from the best level on, while the next bit still pays.

use super::books_file::{FullBook, RatioLevel, read_books};
use super::ratio::Ratio;
use crate::exit::Failure;
use crate::report::{print_json, print_line};
use serde_json::{Value, json};
use std::path::Path;

/// What can be bought on one venue and sold on another with a profit.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Edge<'a> {
    buy: &'a FullBook,
    sell: &'a FullBook,
    quantity: Ratio,
    profit: Ratio,
}

/// `scan --books`.
///
/// # Errors
/// Exit code 2 for a fee that is no number of basis points, 1 for a file that can't be read or is malformed.
pub fn scan_books(file: &str, fee_bps: &str, json: bool) -> Result<(), Failure> {
    let fee = Ratio::parse(fee_bps).and_then(|bps| bps.over(&Ratio::of(10_000, 1)));
    let one = Ratio::of(1, 1);
    let fee = fee
        .filter(|fee| *fee < one && fee.negated() < one)
        .ok_or_else(|| Failure::usage(format!("--fee-bps {fee_bps}: it is no number of basis points below 10000")))?;
    let books = read_books(Path::new(file)).map_err(Failure::failed)?;
    let edges = edges(&books, &fee);
    if json {
        let edges: Vec<Value> = edges.iter().map(Edge::json).collect();
        print_json(&json!({ "edges": edges }).to_string());
    } else {
        print_line(&table(&edges, books.len()));
    }
    Ok(())
}

/// Both directions of every pair of venues that have the same pair, in the order of the file: by buyer, then seller.
fn edges<'a>(books: &'a [FullBook], fee: &Ratio) -> Vec<Edge<'a>> {
    let mut edges = Vec::new();
    for buy in books {
        for sell in books {
            let same = buy.base == sell.base && buy.quote == sell.quote && buy.venue != sell.venue;
            edges.extend(same.then(|| walk(buy, sell, fee)).filter(|edge| !edge.quantity.is_zero()));
        }
    }
    edges
}

/// Buys from the asks of one book what the bids of the other take, while `bid × (1 − fee) > ask × (1 + fee)`.
fn walk<'a>(buy: &'a FullBook, sell: &'a FullBook, fee: &Ratio) -> Edge<'a> {
    let one = Ratio::of(1, 1);
    let (paid, kept) = (one.plus(fee), one.minus(fee));
    let (mut quantity, mut profit) = (Ratio::zero(), Ratio::zero());
    let (mut asks, mut bids) = (buy.asks.iter(), sell.bids.iter());
    let (mut ask, mut bid) = (asks.next().cloned(), bids.next().cloned());
    while let (Some(from), Some(to)) = (&mut ask, &mut bid) {
        let margin = to.price.times(&kept).minus(&from.price.times(&paid));
        if margin.is_zero() || margin.is_negative() {
            break;
        }
        let step = if from.qty <= to.qty { from.qty.clone() } else { to.qty.clone() };
        quantity = quantity.plus(&step);
        profit = profit.plus(&step.times(&margin));
        from.qty = from.qty.minus(&step);
        to.qty = to.qty.minus(&step);
        let next = |level: &RatioLevel, rest: &mut std::slice::Iter<'_, RatioLevel>| {
            if level.qty.is_zero() { rest.next().cloned() } else { Some(level.clone()) }
        };
        (ask, bid) = (next(from, &mut asks), next(to, &mut bids));
    }
    Edge { buy, sell, quantity, profit }
}

impl Edge<'_> {
    fn json(&self) -> Value {
        json!({
            "buy": {"venue": self.buy.venue}, "sell": {"venue": self.sell.venue}, "base": self.buy.base, "quote": self.buy.quote,
            "quantity": self.quantity.to_text(), "profit_quote": self.profit.to_text(),
        })
    }
}

/// For people: rounded, and says so by its column width only.
fn table(edges: &[Edge<'_>], books: usize) -> String {
    let mut lines = vec![format!("{} edges in {books} books", edges.len())];
    if !edges.is_empty() {
        lines.push(format!("{:<14} {:<14} {:<12} {:>20} {:>20}", "buy", "sell", "pair", "quantity", "profit"));
    }
    lines.extend(edges.iter().map(|edge| {
        format!(
            "{:<14} {:<14} {:<12} {:>20} {:>20}",
            edge.buy.venue,
            edge.sell.venue,
            format!("{}/{}", edge.buy.base, edge.buy.quote),
            edge.quantity.to_decimals(8),
            edge.profit.to_decimals(8),
        )
    }));
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn book(venue: &str, bids: &[(&str, &str)], asks: &[(&str, &str)]) -> FullBook {
        let side = |levels: &[(&str, &str)]| {
            let level = |(p, q): &(&str, &str)| RatioLevel { price: Ratio::parse(p).unwrap(), qty: Ratio::parse(q).unwrap() };
            levels.iter().map(level).collect()
        };
        FullBook { venue: venue.into(), base: "BTC".into(), quote: "USD".into(), bids: side(bids), asks: side(asks) }
    }

    fn found(books: &[FullBook], fee_bps: &str) -> Vec<(String, String, String, String)> {
        let fee = Ratio::parse(fee_bps).unwrap().over(&Ratio::of(10_000, 1)).unwrap();
        let shown = |e: &Edge<'_>| (e.buy.venue.clone(), e.sell.venue.clone(), e.quantity.to_text(), e.profit.to_text());
        edges(books, &fee).iter().map(shown).collect()
    }

    fn edge(buy: &str, sell: &str, quantity: &str, profit: &str) -> (String, String, String, String) {
        (buy.into(), sell.into(), quantity.into(), profit.into())
    }

    #[test]
    fn both_books_are_walked_while_the_next_bit_pays() {
        let books = [
            book("cheap", &[("98", "9")], &[("100", "1"), ("101", "2"), ("103", "5")]),
            book("dear", &[("104", "0.5"), ("102", "2"), ("101", "9")], &[("105", "1")]),
        ];
        // Without a fee: 0.5 × 4 + 0.5 × 2 + 1.5 × 1 = 4.5; then 101 against 101, which does not pay.
        assert_eq!(found(&books, "0"), [edge("cheap", "dear", "2.5", "4.5")]);
        // 100 bps: 104 × 0.99 − 100 × 1.01 = 1.96 on 0.5. 102 × 0.99 = 100.98 is below 101: nothing more.
        assert_eq!(found(&books, "100"), [edge("cheap", "dear", "0.5", "0.98")]);
        assert_eq!(found(&books, "300"), []);
    }

    #[test]
    fn equality_does_not_pay_and_empty_levels_are_passed_over() {
        let books = [book("a", &[], &[("100", "0"), ("100", "1/3")]), book("b", &[("101", "0"), ("100.5", "1")], &[])];
        // 1/3 × 0.5.
        assert_eq!(found(&books, "0"), [edge("a", "b", "1/3", "1/6")]);
        // 100.5 × (1 − f) = 100 × (1 + f) at f = 0.5/200.5.
        let fee = Ratio::parse("0.5").unwrap().over(&Ratio::parse("200.5").unwrap()).unwrap();
        assert!(edges(&books, &fee).is_empty());
    }

    #[test]
    fn only_the_same_pair_of_other_venues_is_compared() {
        let mut books = [book("a", &[("3", "1")], &[("1", "1")]), book("b", &[("3", "1")], &[("1", "1")])];
        assert_eq!(found(&books, "0"), [edge("a", "b", "1", "2"), edge("b", "a", "1", "2")]);
        books[1].quote = "USDT".into();
        assert_eq!(found(&books, "0"), []);
    }
}
