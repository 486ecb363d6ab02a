//! The proof that a venue's private news comes (F28): a private link may be up, answer pings, and say nothing of our orders.
//!
//! Our own orders are the probe. A link that came up is *unproven* until it tells something of an order of ours, and while it is, one
//! opening order at a time is all that is risked there ([`PrivateProof::allows_opening`]). An order that another source says
//! is or was alive must be told within 2 s; one that is not makes the link *suspect*: the venue is not ready until its account was
//! read anew and equals the ledger and a minute has passed, or the order is told after all; then it is unproven again, and once more one
//! opening is risked. If that one is not told either, time proves nothing any more: openings there pause (`stream_unproven`) until the
//! private stream tells of an order of ours, a hedge's among them, or a person resumes. So a mute costs one opening when it is shorter than a
//! minute, and two however long it lasts; a venue where nothing is sent owes nothing, and is never suspect for being quiet. Sessions that
//! can do more (close the link and open another) do so on their own.

use domain::time::SECOND;
use domain::{ClientOrderId, MonoNanos};

/// An order that is known to have lived is told by the private link within this.
const TOLD_WITHIN: u64 = 2 * SECOND;
/// How long a suspicion holds the venue beyond the comparison, whatever link is opened meanwhile: a mute that is shorter costs one
/// opening order in all.
const HOLD: u64 = 60 * SECOND;

/// A link that has just become suspect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Suspicion {
    /// The first one since it told something, or one of orders that were sent while it was held.
    Held,
    /// One more after a hold had ended: what was risked to find out was not told either.
    Again,
}

/// What is known of the life of one venue's private link.
#[derive(Clone, Debug, Default)]
pub(crate) struct PrivateProof {
    proven: bool,
    /// Orders that it must tell of, each with the latest time.
    awaited: Vec<(ClientOrderId, MonoNanos)>,
    /// The opening order that is risked on an unproven link.
    probe: Option<ClientOrderId>,
    /// It was suspect, and has told nothing since.
    failed: bool,
    suspect_since: Option<MonoNanos>,
    hold_until: Option<MonoNanos>,
}

impl PrivateProof {
    /// The link came up or was lost: what the one before owed is read, and a new one has proved nothing.
    pub(crate) fn link_changed(&mut self) {
        let (failed, hold_until) = (self.failed, self.hold_until);
        *self = PrivateProof { failed, hold_until, ..PrivateProof::default() };
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

    /// Whether the link has just become suspect.
    pub(crate) fn became_suspect(&mut self, now: MonoNanos) -> Option<Suspicion> {
        if !self.awaited.iter().any(|(_, latest)| *latest <= now) {
            return None;
        }
        let again = self.failed && !self.holds(now);
        *self =
            PrivateProof { failed: true, suspect_since: Some(now), hold_until: Some(now.after(HOLD)), ..PrivateProof::default() };
        Some(if again { Suspicion::Again } else { Suspicion::Held })
    }

    /// The private link told of an order of ours since it came up, and has owed nothing since.
    pub(crate) fn is_proven(&self) -> bool {
        self.proven
    }

    /// A person has looked: it may be tried again, with one opening.
    pub(crate) fn resumed(&mut self) {
        self.failed = false;
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
    fn what_is_not_told_in_two_seconds_makes_suspect_for_a_minute_and_a_second_time_for_a_person() {
        let mut proof = PrivateProof::default();
        let owes = |proof: &mut PrivateProof, n: u64, now: MonoNanos| {
            proof.expect(id(n), now);
            proof.expect(id(n), now.after(SECOND));
            assert_eq!(proof.deadline(), Some(now.after(2 * SECOND)), "the first time counts");
            assert_eq!(proof.became_suspect(now.after(2 * SECOND - 1)), None);
            proof.became_suspect(now.after(2 * SECOND))
        };
        assert_eq!(owes(&mut proof, 1, at(10)), Some(Suspicion::Held));
        assert_eq!((proof.suspect_since(), proof.deadline(), proof.is_proven()), (Some(at(12)), Some(at(72)), false));
        proof.link_changed();
        assert!(proof.holds(at(13)), "another link proves nothing either");
        // A hedge that is sent meanwhile only holds it longer.
        proof.expect(id(2), at(20));
        assert_eq!(proof.became_suspect(at(22)), Some(Suspicion::Held));
        assert!(proof.holds(at(81)) && !proof.holds(at(82)));
        proof.end_hold(at(82));
        assert_eq!(proof.deadline(), None);
        assert_eq!(owes(&mut proof, 3, at(100)), Some(Suspicion::Again));
        proof.end_hold(at(200));
        assert_eq!(owes(&mut proof, 4, at(300)), Some(Suspicion::Again), "a link that changed is as unproven");
        // News or a person: from the beginning.
        proof.told(id(99));
        assert!(proof.is_proven() && proof.suspect_since().is_none());
        assert_eq!(owes(&mut proof, 5, at(400)), Some(Suspicion::Held));
        proof.end_hold(at(500));
        proof.resumed();
        assert_eq!(owes(&mut proof, 6, at(600)), Some(Suspicion::Held));
    }

    #[test]
    fn what_was_told_in_time_is_owed_no_more() {
        let mut proof = PrivateProof::default();
        proof.expect(id(1), at(0));
        proof.expect(id(2), at(1));
        proof.told(id(1));
        assert_eq!(proof.deadline(), Some(at(3)));
        assert!(proof.became_suspect(at(3)).is_some(), "the other one was not told");
    }
}
