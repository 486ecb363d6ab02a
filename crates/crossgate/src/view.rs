//! What people see while it runs: plain lines, or on a terminal a block that is drawn anew in place. Always on standard error.

use crate::clock_text::{rfc3339, short};
use crate::say;
use crate::snapshot::Snapshot;
use domain::{Amount, Notice, OrderOutcome, PairId, StopKind, Tables, UnixNanos, VenueId, Verdict};
use node::Node;
use std::collections::VecDeque;
use std::fmt::Write as _;
use std::io::IsTerminal;

/// Recent events kept on the screen.
const RECENT: usize = 10;
/// Recent faults, and what came of them, kept on the screen: deals would push them out at once.
const STRIKES: usize = 8;
/// Lines at the end of the screen that stay when the terminal is too low for all.
const TAIL: usize = 6;
/// Time between two status lines without a terminal.
const STATUS_EVERY_NS: u64 = 5_000_000_000;
/// Time between two drawings on a terminal.
const DRAW_EVERY_NS: u64 = 500_000_000;

/// How to show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Style {
    Screen,
    Lines,
}

/// The live view.
pub struct View {
    style: Style,
    recent: VecDeque<String>,
    strikes: VecDeque<String>,
    drawn_lines: usize,
    next_ns: u64,
    colour: bool,
}

impl View {
    /// A screen on a terminal, unless `no_tui`; else lines.
    pub fn new(no_tui: bool) -> View {
        let terminal = std::io::stderr().is_terminal() && std::env::var_os("TERM").is_none_or(|t| t != "dumb");
        let style = if terminal && !no_tui { Style::Screen } else { Style::Lines };
        let colour = terminal && std::env::var_os("NO_COLOR").is_none();
        View { style, recent: VecDeque::new(), strikes: VecDeque::new(), drawn_lines: 0, next_ns: 0, colour }
    }

    /// Says one thing before the run.
    pub fn say(&self, text: &str) {
        say::line(text);
    }

    /// Tells what happened.
    pub fn notices(&mut self, notices: &[Notice], node: &Node, wall: UnixNanos) {
        let tables = node.engine().tables().clone();
        let age_max = node.engine().config().detector.book_age_max_ns;
        for notice in notices {
            tracing::debug!(?notice, age_max);
            let Some(text) = describe(notice, &tables) else { continue };
            self.event(&text, wall);
        }
    }

    /// Tells of one thing that happened.
    pub fn event(&mut self, text: &str, wall: UnixNanos) {
        let line = stamped(text, wall);
        match self.style {
            Style::Lines => say::line(line),
            Style::Screen => push(&mut self.recent, line, RECENT),
        }
    }

    /// Tells of what came of a fault; on a screen it stands apart from the deals.
    pub fn strike(&mut self, text: &str, wall: UnixNanos) {
        let line = stamped(text, wall);
        match self.style {
            Style::Lines => say::line(line),
            Style::Screen => push(&mut self.strikes, line, STRIKES),
        }
    }

    /// Tells of a fault that was injected: marked, so that it stands out between the engine's reactions.
    pub fn fault(&mut self, venue: &str, text: &str, wall: UnixNanos) {
        let text = format!("FAULT on {venue}: {text}");
        let text = if self.colour { format!("\x1b[33m{text}\x1b[0m") } else { text };
        self.strike(&text, wall);
    }

    /// Shows how it stands.
    pub fn tick(&mut self, snapshot: &Snapshot, node: &Node, ran_ns: u64) {
        if ran_ns < self.next_ns {
            return;
        }
        match self.style {
            Style::Lines => {
                self.next_ns = ran_ns + STATUS_EVERY_NS;
                if ran_ns >= STATUS_EVERY_NS {
                    say::line(status_line(snapshot, ran_ns));
                }
            }
            Style::Screen => {
                self.next_ns = ran_ns + DRAW_EVERY_NS;
                let block = self.block(snapshot, node, ran_ns);
                self.draw(&block);
            }
        }
    }

    fn bold(&self, text: &str) -> String {
        if self.colour { format!("\x1b[1m{text}\x1b[0m") } else { text.into() }
    }

    fn block(&self, snapshot: &Snapshot, node: &Node, ran_ns: u64) -> String {
        let mut out = String::new();
        let _ = writeln!(out, "{}", self.bold(&status_line(snapshot, ran_ns)));
        let _ = writeln!(out);
        let _ = writeln!(
            out,
            "{}",
            self.bold(&format!("{:<12} {:<10} {:>14} {:>14}  {:<9} {:>8}", "pair", "venue", "bid", "ask", "trusted", "age"))
        );
        for book in snapshot.status["books"].as_array().into_iter().flatten() {
            let text = |key: &str| book[key].as_str().unwrap_or("-").to_string();
            let trusted = if book["trusted"].as_bool() == Some(true) { "yes" } else { "no" };
            let age = text("age_s");
            let age = age.get(..5).unwrap_or(&age);
            let _ = writeln!(
                out,
                "{:<12} {:<10} {:>14} {:>14}  {:<9} {:>6} s",
                text("pair"),
                text("venue"),
                text("best_bid"),
                text("best_ask"),
                trusted,
                age
            );
        }
        let engine = node.engine();
        let tables = engine.tables();
        let _ = writeln!(out);
        let _ = writeln!(out, "{}", self.bold("balances (engine's ledger)"));
        let balances = engine.report().execution.balances;
        for venue in tables.venue_ids() {
            let of = balances.iter().filter(|l| l.venue == venue);
            let text: Vec<String> = of.map(|l| format!("{} {}", short_amount(l.total), tables.asset(l.asset))).collect();
            let _ = writeln!(out, "{:<10} {}", tables.venue(venue), text.join("   "));
        }
        let verdicts: Vec<String> =
            Verdict::ALL.iter().zip(engine.report().verdicts).filter(|(_, n)| *n > 0).map(|(v, n)| format!("{v} {n}")).collect();
        let _ = writeln!(out);
        let _ = writeln!(out, "{} {}", self.bold("verdicts"), verdicts.join(", "));
        if !self.strikes.is_empty() {
            let _ = writeln!(out, "\n{}", self.bold("faults, and what came of them"));
            for line in &self.strikes {
                let _ = writeln!(out, "{line}");
            }
        }
        let _ = writeln!(out);
        for line in &self.recent {
            let _ = writeln!(out, "{line}");
        }
        let _ = write!(out, "{:RECENT$}", "");
        let _ = writeln!(out, "\rCtrl-C ends the run with a report");
        out
    }

    fn draw(&mut self, block: &str) {
        let size = rustix::termios::tcgetwinsize(std::io::stderr()).ok();
        let width = size.map_or(120, |s| usize::from(s.ws_col).max(20));
        let rows = size.map_or(usize::MAX, |s| usize::from(s.ws_row).max(2 * TAIL));
        let mut text = String::new();
        if self.drawn_lines > 0 {
            let _ = write!(text, "\x1b[{}A", self.drawn_lines);
        }
        let mut lines = 0;
        for line in fitted(block, rows - 1) {
            // A line longer than the terminal would wrap and spoil the count.
            let _ = writeln!(text, "\x1b[2K{}", cut_visible(line, width - 1));
            lines += 1;
        }
        text.push_str("\x1b[J");
        if say::raw(text.into_bytes()) {
            self.drawn_lines = lines;
        }
    }
}

/// What fits into so many rows: more would scroll away, and could not be drawn anew in place. Empty lines go first, then those between
/// the top and the newest events.
fn fitted(block: &str, rows: usize) -> Vec<&str> {
    let mut lines: Vec<&str> = block.lines().collect();
    if lines.len() > rows {
        lines.retain(|line| !line.trim().is_empty());
    }
    if lines.len() > rows {
        let tail = lines.len().saturating_sub(TAIL);
        lines.drain(rows.saturating_sub(TAIL).min(tail)..tail);
    }
    lines
}

/// A line with the time of day in front.
fn stamped(text: &str, wall: UnixNanos) -> String {
    let stamp = rfc3339(wall);
    format!("{} {text}", stamp.get(11..23).unwrap_or(&stamp))
}

/// Appends; beyond `most` the oldest goes.
fn push(lines: &mut VecDeque<String>, line: String, most: usize) {
    if lines.len() == most {
        lines.pop_front();
    }
    lines.push_back(line);
}

/// The first `width` visible characters; escape sequences (`ESC [ … letter`) take no width and are all kept.
fn cut_visible(line: &str, width: usize) -> String {
    let (mut cut, mut seen, mut escape) = (String::new(), 0, false);
    for c in line.chars() {
        if escape || c == '\x1b' {
            escape = !c.is_ascii_alphabetic();
            cut.push(c);
        } else if seen < width {
            seen += 1;
            cut.push(c);
        }
    }
    cut
}

fn short_amount(amount: Amount) -> String {
    let text = amount.to_text();
    match text.split_once('.') {
        Some((whole, fraction)) => format!("{whole}.{}", fraction.get(..4).unwrap_or(fraction)),
        None => text,
    }
}

fn status_line(snapshot: &Snapshot, ran_ns: u64) -> String {
    let status = &snapshot.status;
    let pnl: Vec<String> = status["pnl"]
        .as_object()
        .into_iter()
        .flatten()
        .map(|(asset, v)| format!("{} {asset}", short_text(v.as_str().unwrap_or("0"))))
        .collect();
    let halts: Vec<String> = status["halts"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|h| h["kind"] != "freeze")
        .map(|h| format!("{} {}", h["kind"].as_str().unwrap_or(""), h["reason"].as_str().unwrap_or("")))
        .collect();
    let mut line = format!(
        "crossgate {} · {} · {} book updates · {} opportunities · {} deals · {} fills · profit {}",
        status["mode"].as_str().unwrap_or(""),
        short(ran_ns),
        status["book_updates"],
        status["opportunities"],
        status["deals"],
        status["fills"],
        if pnl.is_empty() { "0".into() } else { pnl.join(", ") }
    );
    if !halts.is_empty() {
        let _ = write!(line, " · STOPPED: {}", halts.join(", "));
    }
    line
}

fn short_text(text: &str) -> String {
    match text.split_once('.') {
        Some((whole, fraction)) => format!("{whole}.{}", fraction.get(..2).unwrap_or(fraction)),
        None => text.into(),
    }
}

/// One line for people; `None` for what is only counted.
pub fn describe(notice: &Notice, tables: &Tables) -> Option<String> {
    let venue = |id: VenueId| tables.venue(id).to_string();
    let symbol = |id: PairId| tables.pair(id).map_or_else(|| "?".into(), |p| p.symbol.to_string());
    Some(match *notice {
        Notice::Opportunity { .. } | Notice::Filled { .. } => return None,
        Notice::DealOpened { deal, pair, buy, sell, buy_qty, sell_qty, buy_price, sell_price, expected } => {
            let scale = tables.pair(pair)?.scale;
            format!(
                "deal {}: buy {} {} on {} at ≤ {}, sell {} on {} at ≥ {}; expected net {} ({} bps)",
                deal.0,
                scale.qty_text(buy_qty),
                symbol(pair),
                venue(buy),
                scale.price_text(buy_price),
                scale.qty_text(sell_qty),
                venue(sell),
                scale.price_text(sell_price),
                short_amount(expected.net),
                short_text(&domain::decimal::format_units(i128::from(expected.net_rate.nano()), 5)),
            )
        }
        Notice::Order { deal, venue: at, pair, side, hedge, outcome, filled, qty, label, took_ns, .. } => {
            if outcome == OrderOutcome::Filled && !hedge {
                return None;
            }
            let scale = tables.pair(pair)?.scale;
            let what = if hedge { "hedge" } else { "leg" };
            let label = if label.as_str().is_empty() { String::new() } else { format!(" ({label})") };
            format!(
                "deal {}: {what} {side} on {} {outcome}{label}, {} of {} {} after {}",
                deal.0,
                venue(at),
                scale.qty_text(filled),
                scale.qty_text(qty),
                symbol(pair),
                short(took_ns)
            )
        }
        Notice::DealClosed { deal, quote_flow, base_flow, hedges, unhedged_ns, empty, .. } => {
            if empty {
                format!("deal {}: closed, nothing executed", deal.0)
            } else {
                format!(
                    "deal {}: closed, quote {}, base {}, {hedges} hedges, unhedged {}",
                    deal.0,
                    signed(quote_flow),
                    signed(base_flow),
                    short(unhedged_ns)
                )
            }
        }
        Notice::Stopped { kind, reason, venue: at, pair } => {
            if kind == StopKind::Freeze {
                return None;
            }
            let at = at.map_or_else(String::new, |v| format!(" on {}", venue(v)));
            let pair = pair.map_or_else(String::new, |p| format!(" for {}", symbol(p)));
            format!("{kind}: {reason}{at}{pair}; no openings")
        }
        Notice::Cleared { kind, reason } => {
            if kind == StopKind::Freeze {
                return None;
            }
            format!("{kind} cleared: {reason}")
        }
        Notice::Drift { venue: at, asset, ledger, stated } => {
            format!("ALERT: {} {}: ledger {ledger}, venue says {stated}", venue(at), tables.asset(asset))
        }
        Notice::Adopted { venue: at, asset, before, after, external } => {
            if !external {
                return None;
            }
            format!("{}: {} was moved by others, taken over: {before} → {after}", venue(at), tables.asset(asset))
        }
        Notice::DeadManRefused { venue: at } => {
            format!("{}: no dead-man switch; what rests there stays if this process dies", venue(at))
        }
        Notice::Reconciled { venue: at } => format!("{}: account reconciled, ready to trade", venue(at)),
    })
}

fn signed(amount: Amount) -> String {
    let text = short_amount(amount);
    if amount.is_negative() { text } else { format!("+{text}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cutting_keeps_escapes_and_counts_what_is_seen() {
        assert_eq!(cut_visible("\x1b[1mabcdef\x1b[0m", 3), "\x1b[1mabc\x1b[0m");
        assert_eq!(cut_visible("abc", 10), "abc");
        assert_eq!(cut_visible("≤≥·", 2), "≤≥");
    }

    #[test]
    fn a_low_terminal_shows_the_top_and_the_newest_events() {
        let block = (0..30).map(|n| if n % 5 == 4 { "\n".into() } else { format!("{n}\n") }).collect::<String>();
        assert_eq!(fitted(&block, 30).len(), 30);
        assert_eq!(fitted(&block, 24).len(), 24, "without the empty ones all fit");
        let low = fitted(&block, 15);
        assert_eq!(low, ["0", "1", "2", "3", "5", "6", "7", "8", "10", "22", "23", "25", "26", "27", "28"]);
        assert_eq!(fitted(&block, 2).len(), TAIL);
    }
}
