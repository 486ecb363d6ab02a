//! The rules of the pairs, read anew while the session runs (F11): steps, minimums, and whether trading is open.
//!
//! They are asked for on a timer, every ten seconds while the pair is closed or they could not be read, and at once when the venue refuses an order for its
//! figures or its market: an engine that goes on with old rules would be refused for ever. Start at [`Desk::rules_timeout`]; each
//! answer is one [`Input::Rules`]. A pair that is no longer listed, or whose steps no longer fit the scale that everything is counted
//! in, is told as closed in both directions.

use super::Desk;
use super::what::{Answer, What};
use super::wire::Wire;
use crate::tables::scaled_rules;
use domain::time::SECOND;
use domain::{Amount, ErrorClass, Input, InstrumentRules, MonoNanos, PairId, Qty};

/// Each pair is asked for this often.
const REFRESH_NS: u64 = 600 * SECOND;
/// After a refusal, not more often than this.
const REFUSAL_PAUSE_NS: u64 = 10 * SECOND;
/// The first round is spread: one pair after the other.
const SPREAD_NS: u64 = 2 * SECOND;

/// When each pair's rules are due, and were last asked for.
pub(super) struct PairRules(Vec<(PairId, Option<MonoNanos>, Option<MonoNanos>)>);

impl PairRules {
    pub(super) fn new(pairs: &[PairId]) -> PairRules {
        PairRules(pairs.iter().map(|pair| (*pair, None, None)).collect())
    }

    pub(super) fn start(&mut self, now: MonoNanos) {
        for (index, (_, due, _)) in (1u64..).zip(&mut self.0) {
            *due = Some(now.after(REFRESH_NS + index * SPREAD_NS));
        }
    }

    pub(super) fn stop(&mut self) {
        self.0.iter_mut().for_each(|(_, due, _)| *due = None);
    }

    pub(super) fn next_timeout(&self) -> Option<MonoNanos> {
        self.0.iter().filter_map(|(_, due, _)| *due).min()
    }
}

impl<W: Wire> Desk<W> {
    pub(super) fn rules_timeout(&mut self, now: MonoNanos) {
        let due: Vec<PairId> =
            self.rules.0.iter().filter(|(_, due, _)| due.is_some_and(|at| at <= now)).map(|(pair, ..)| *pair).collect();
        for pair in due {
            self.ask_rules(pair, now);
        }
    }

    /// The venue refused an order on this pair: if it was for its figures or its market, our rules may be old.
    pub(super) fn rules_doubted(&mut self, pair: PairId, class: ErrorClass, now: MonoNanos) {
        let about_rules = matches!(class, ErrorClass::FilterReject | ErrorClass::SymbolClosed | ErrorClass::Unknown);
        let row = self.rules.0.iter().find(|(known, ..)| *known == pair);
        let rested = row.is_some_and(|(.., asked)| asked.is_none_or(|at| now.since(at) >= REFUSAL_PAUSE_NS));
        if about_rules && rested && !self.stopped {
            self.ask_rules(pair, now);
        }
    }

    fn ask_rules(&mut self, pair: PairId, now: MonoNanos) {
        if let Some((_, due, asked)) = self.rules.0.iter_mut().find(|(known, ..)| *known == pair) {
            *due = Some(now.after(REFRESH_NS));
            *asked = Some(now);
            self.ask(What::Rules(pair));
        }
    }

    /// A pair that is closed is looked at again soon: what is unhedged there waits for it, and no refusal can tell that it opened.
    fn watch_closed(&mut self, rules: &InstrumentRules, now: MonoNanos) {
        if rules.can_buy && rules.can_sell {
            return;
        }
        self.rules_unread(rules.pair, now);
    }

    pub(super) fn on_rules(&mut self, pair: PairId, venue_ns: i64, answer: Answer<'_>, now: MonoNanos, updates: &mut Vec<Input>) {
        let body = match self.success(answer) {
            Ok(body) => body,
            // Anything but a pair that is gone may pass: the rules that we have stay until the next time.
            Err(ErrorClass::SymbolClosed) => {
                let rules = self.closed(pair);
                self.watch_closed(&rules, now);
                return updates.push(Input::Rules(rules));
            }
            Err(_) => return self.rules_unread(pair, now),
        };
        let Some(symbol) = self.wire.tables().pair(pair).map(|info| info.symbol.clone()) else { return };
        match self.wire.rules(&symbol, body, venue_ns) {
            Ok(raw) => {
                let scaled = scaled_rules(self.venue, W::PROFILE.kind, self.wire.tables(), pair, &raw);
                let rules = scaled.unwrap_or_else(|_| self.closed(pair));
                self.watch_closed(&rules, now);
                updates.push(Input::Rules(rules));
            }
            Err(reject) => {
                self.stats.reject(reject.reason);
                self.rules_unread(pair, now);
            }
        }
    }

    /// They were asked for in doubt, or of a closed pair, or by the timer: what could not be read is asked for again soon.
    pub(super) fn rules_unread(&mut self, pair: PairId, now: MonoNanos) {
        if let Some((_, due, _)) = self.rules.0.iter_mut().find(|(known, ..)| *known == pair) {
            *due = due.map(|at| at.min(now.after(REFUSAL_PAUSE_NS)));
        }
    }

    /// Rules by which nothing may be bought or sold.
    fn closed(&self, pair: PairId) -> InstrumentRules {
        InstrumentRules {
            venue: self.venue,
            pair,
            price_step: 1,
            qty_step: Qty::from_units(1).expect("Invariant: one unit is a quantity"),
            qty_min: Qty::ZERO,
            qty_max: None,
            value_min: Amount::ZERO,
            can_buy: false,
            can_sell: false,
        }
    }
}
