//! The venue's dead-man switch: it cancels every resting order of the account by itself unless it hears from us in time (F35).
//!
//! Start at [`Desk::submit_dead_man`]. Whoever commands it decides when to arm, refresh and disarm; here a command becomes one
//! request, and its answer one [`Input::DeadMan`]. A request that fails is not repeated: a late repeat could undo a newer command.
//! A switch covers all markets of the account and only cancels: what was bought stays. A venue without one says so at once.

use super::Desk;
use super::what::{Answer, What};
use super::wire::Wire;
use domain::time::SECOND;
use domain::{DeadMan, FrameReject, Input, MonoNanos};

impl<W: Wire> Desk<W> {
    /// Arms or refreshes the switch, or disarms it with zero. It spends the budget of reads; without a switch, a key or budget nothing
    /// is sent, and that is told at once.
    pub(super) fn submit_dead_man(&mut self, timeout_ns: u64, now: MonoNanos, updates: &mut Vec<Input>) {
        let Some(min_s) = W::PROFILE.dead_man_min_s else { return self.tell_dead_man(None, false, now, updates) };
        // Venues count in whole seconds: rounded up, since firing early cancels what we still look after.
        let timeout_s = if timeout_ns == 0 { 0 } else { timeout_ns.div_ceil(SECOND).max(min_s) };
        let what = What::DeadMan { timeout_s };
        if !self.wire.has_keys() || self.may_read(&what, now).is_err() {
            return self.tell_dead_man(None, false, now, updates);
        }
        self.ask(what);
    }

    /// The answer. What the switch is set to after a failure is not known: an earlier arming may still run.
    pub(super) fn on_dead_man(
        &mut self,
        timeout_s: u64,
        sent: MonoNanos,
        answer: Answer<'_>,
        now: MonoNanos,
        updates: &mut Vec<Input>,
    ) {
        let body = match self.success(answer) {
            Ok(body) => body,
            Err(class) => {
                self.on_clock_skew(class, now);
                return self.tell_dead_man(None, false, now, updates);
            }
        };
        match self.wire.dead_man(body) {
            // The venue counts from when it took the request: not before it was sent.
            Ok(armed) if armed == (timeout_s > 0) => {
                let until = armed.then(|| sent.after(timeout_s.saturating_mul(SECOND)));
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
