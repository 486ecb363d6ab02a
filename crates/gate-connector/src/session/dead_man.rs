//! The venue's dead-man switch: it cancels every resting order of the account by itself unless it hears from us in time (Gate API v4,
//! `POST /spot/countdown_cancel_all`, F35).
//!
//! Start at [`GateSession::submit_dead_man`]. Whoever commands it decides when to arm, refresh and disarm; here a command becomes one
//! request, and its answer one [`Input::DeadMan`]. A request that fails is not repeated: a late repeat could undo a newer command.
//! The switch covers all markets of the account and only cancels: what was bought stays.

use super::{Answer, GateSession, What};
use domain::time::SECOND;
use domain::{DeadMan, FrameReject, Input, MonoNanos};

/// The shortest time that the venue takes.
const TIMEOUT_MIN_S: u64 = 5;

/// Whole seconds after which the switch fires; zero disarms it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct DeadManTimeout(u64);

impl DeadManTimeout {
    /// The venue counts in whole seconds from five on: rounded up, since firing early cancels what we still look after.
    fn of(timeout_ns: u64) -> DeadManTimeout {
        DeadManTimeout(if timeout_ns == 0 { 0 } else { timeout_ns.div_ceil(SECOND).max(TIMEOUT_MIN_S) })
    }

    pub(super) fn body(self) -> Vec<u8> {
        format!(r#"{{"timeout":{}}}"#, self.0).into_bytes()
    }
}

impl GateSession {
    /// Arms or refreshes the switch, or disarms it with zero. It spends the budget of reads; without a key or budget nothing is sent,
    /// and that is told at once.
    pub(super) fn submit_dead_man(&mut self, timeout_ns: u64, now: MonoNanos, updates: &mut Vec<Input>) {
        let what = What::DeadMan(DeadManTimeout::of(timeout_ns));
        if self.signer.is_none() || self.budgets.may_read(&what, now).is_err() {
            return self.tell_dead_man(None, false, now, updates);
        }
        self.ask(what);
    }

    /// The answer. What the switch is set to after a failure is not known: an earlier arming may still run.
    pub(super) fn on_dead_man(
        &mut self,
        timeout: DeadManTimeout,
        sent: MonoNanos,
        mut answer: Answer<'_>,
        now: MonoNanos,
        updates: &mut Vec<Input>,
    ) {
        if !answer.is_success() {
            let (class, _) = self.failure(&mut answer);
            self.on_clock_skew(class, now);
            return self.tell_dead_man(None, false, now, updates);
        }
        let Answer::Http { body, .. } = &mut answer else { return };
        match self.decoder.countdown(body) {
            // The venue counts from when it took the request: not before it was sent.
            Ok(fires) if fires.is_some() == (timeout.0 > 0) => {
                let until = fires.map(|_| sent.after(timeout.0.saturating_mul(SECOND)));
                self.tell_dead_man(until, true, now, updates);
            }
            Ok(_) => {
                self.stats.reject(FrameReject::OutOfRange);
                self.tell_dead_man(None, false, now, updates);
            }
            Err(reject) => {
                self.stats.reject(reject.reason);
                self.tell_dead_man(None, false, now, updates);
            }
        }
    }

    fn tell_dead_man(&self, armed_until: Option<MonoNanos>, ok: bool, received: MonoNanos, updates: &mut Vec<Input>) {
        updates.push(Input::DeadMan(DeadMan { venue: self.venue, armed_until, ok, received }));
    }
}
