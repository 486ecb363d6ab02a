//! The proof that a venue's private news comes (F28): a private link may be up, answer pings, and say nothing of our orders.
//!
//! Our own orders are the probe. A link that came up is *unproven* until it tells something of an order of ours, and while it is, one
//! opening order at a time is all that is risked there ([`PrivateProof::allows_opening`]). An order that another source says
//! is or was alive must be told within 2 s; one that is not makes the link *suspect*: the venue is not ready until its account was
//! read anew and equals the ledger and a minute has passed, or the order is told after all; then it is unproven again. Each suspicion
//! in a row without any private news between holds it longer. Sessions that can do more (close the link and open another) do so on their own.

use domain::time::SECOND;
use domain::{ClientOrderId, MonoNanos};

/// An order that is known to have lived is told by the private link within this.
const TOLD_WITHIN: u64 = 2 * SECOND;
/// How long a suspicion holds the venue beyond the comparison, whatever link is opened meanwhile: a mute that is shorter costs one
/// opening order in all. Doubled by each further one in a row up to the last.
const HOLD_FIRST: u64 = 60 * SECOND;
const HOLD_LAST: u64 = 600 * SECOND;

/// What is known of the life of one venue's private link.
#[derive(Clone, Debug, Default)]
pub(crate) struct PrivateProof {
    proven: bool,
    /// Orders that it must tell of, each with the latest time.
    awaited: Vec<(ClientOrderId, MonoNanos)>,
    /// The opening order that is risked on an unproven link.
    probe: Option<ClientOrderId>,
    /// Suspicions since the last private news.
    suspicions: u32,
    suspect_since: Option<MonoNanos>,
    hold_until: Option<MonoNanos>,
}

impl PrivateProof {
    /// The link came up or was lost: what the one before owed is read, and a new one has proved nothing.
    pub(crate) fn link_changed(&mut self) {
        let (suspicions, hold_until) = (self.suspicions, self.hold_until);
        *self = PrivateProof { suspicions, hold_until, ..PrivateProof::default() };
    }

    /// Whether an opening order may be sent. Hedges never ask.
    pub(crate) fn allows_opening(&self) -> bool {
        self.proven || self.probe.is_none()
    }

    /// An opening order is sent.
    pub(crate) fn opened(&mut self, id: ClientOrderId) {
        if !self.proven {
            self.probe = Some(id);
        }
    }

    /// Something else than the private link says that the order is or was alive.
    pub(crate) fn expect(&mut self, id: ClientOrderId, now: MonoNanos) {
        if !self.awaited.iter().any(|(awaited, _)| *awaited == id) {
            self.awaited.push((id, now.after(TOLD_WITHIN)));
        }
    }

    /// The order never came to life: nothing will be told of it, and nothing was proved.
    pub(crate) fn never_lived(&mut self, id: ClientOrderId) {
        self.probe = self.probe.filter(|probe| *probe != id);
    }

    /// The private link told of an order of ours.
    pub(crate) fn told(&mut self, id: ClientOrderId) {
        self.awaited.retain(|(awaited, _)| *awaited != id);
        *self = PrivateProof { proven: true, awaited: std::mem::take(&mut self.awaited), ..PrivateProof::default() };
    }

    /// True when the link has just become suspect.
    pub(crate) fn became_suspect(&mut self, now: MonoNanos) -> bool {
        if !self.awaited.iter().any(|(_, latest)| *latest <= now) {
            return false;
        }
        let hold = HOLD_FIRST.saturating_mul(1 << self.suspicions.min(8)).min(HOLD_LAST);
        *self = PrivateProof {
            suspicions: self.suspicions.saturating_add(1),
            suspect_since: Some(now),
            hold_until: Some(now.after(hold)),
            ..PrivateProof::default()
        };
        true
    }

    /// From when a comparison must date to make the venue ready, for a link that is suspect; `None`: it is not.
    pub(crate) fn suspect_since(&self) -> Option<MonoNanos> {
        self.suspect_since
    }

    /// The end of the hold, if there is or was one.
    pub(crate) fn held_until(&self) -> Option<MonoNanos> {
        self.hold_until
    }

    /// Whether suspicion holds the venue whatever is compared.
    pub(crate) fn holds(&self, now: MonoNanos) -> bool {
        self.hold_until.is_some_and(|until| now < until)
    }

    pub(crate) fn deadline(&self) -> Option<MonoNanos> {
        self.awaited.iter().map(|(_, latest)| *latest).chain(self.hold_until).min()
    }

    /// The hold is over: it wakes nobody any more.
    pub(crate) fn end_hold(&mut self, now: MonoNanos) {
        self.hold_until = self.hold_until.filter(|until| now < *until);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(counter: u64) -> ClientOrderId {
        ClientOrderId::new(7, 1_700_000_000, 0, counter).unwrap()
    }

    fn at(seconds: u64) -> MonoNanos {
        MonoNanos(seconds * SECOND)
    }

    #[test]
    fn one_opening_at_a_time_until_something_is_told() {
        let mut proof = PrivateProof::default();
        assert!(proof.allows_opening());
        proof.opened(id(1));
        assert!(!proof.allows_opening());
        proof.never_lived(id(2));
        assert!(!proof.allows_opening());
        proof.never_lived(id(1));
        assert!(proof.allows_opening(), "refused: nothing will be told of it");
        proof.opened(id(3));
        proof.told(id(3));
        (4..9).for_each(|n| proof.opened(id(n)));
        assert!(proof.allows_opening());
        proof.link_changed();
        proof.opened(id(9));
        assert!(!proof.allows_opening());
    }

    #[test]
    fn what_is_not_told_in_two_seconds_makes_suspect_and_each_time_in_a_row_holds_longer() {
        let mut proof = PrivateProof::default();
        let mut holds = Vec::new();
        for n in 0..7u64 {
            let now = at(10_000 * n);
            proof.expect(id(n), now);
            proof.expect(id(n), now.after(SECOND));
            assert_eq!(proof.deadline(), Some(now.after(2 * SECOND)), "the first time counts");
            assert!(!proof.became_suspect(now.after(2 * SECOND - 1)));
            assert!(proof.became_suspect(now.after(2 * SECOND)));
            assert_eq!(proof.suspect_since(), Some(now.after(2 * SECOND)));
            holds.push(proof.deadline().map_or(0, |until| until.since(now.after(2 * SECOND)) / SECOND));
            proof.link_changed();
            assert!(proof.holds(now.after(3 * SECOND)), "another link proves nothing either");
            proof.end_hold(now.after(1_000 * SECOND));
            assert_eq!(proof.deadline(), None);
        }
        assert_eq!(holds, vec![60, 120, 240, 480, 600, 600, 600]);
        proof.told(id(99));
        assert_eq!((proof.suspect_since(), proof.suspicions), (None, 0));
    }

    #[test]
    fn what_was_told_in_time_is_owed_no_more() {
        let mut proof = PrivateProof::default();
        proof.expect(id(1), at(0));
        proof.expect(id(2), at(1));
        proof.told(id(1));
        assert_eq!(proof.deadline(), Some(at(3)));
        assert!(proof.became_suspect(at(3)), "the other one was not told");
    }
}
