//! What pays the fees (Gate API v4, fees): one reading for the session and for the doctor.

/// What fees are paid in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PaidIn {
    /// The asset received: base when buying, quote when selling.
    Received,
    /// GT.
    Gt,
    /// Points.
    Points,
}

impl PaidIn {
    /// Of `gt_discount` and `debit_fee` in a fee object. GT pays only when both say so, or the second is not told: of two answers that
    /// contradict each other the dearer rate is believed. Points pay at the plain rate, whatever the switch of the GT deduction says.
    pub const fn of(gt_discount: bool, debit_fee: Option<i64>) -> PaidIn {
        match (gt_discount, debit_fee) {
            (_, Some(2)) => PaidIn::Points,
            (true, None | Some(1)) => PaidIn::Gt,
            _ => PaidIn::Received,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::PaidIn::{self, *};

    #[test]
    fn gt_pays_only_when_nothing_contradicts_it() {
        for (debit_fee, off, on) in [
            (None, Received, Gt),
            (Some(1), Received, Gt),
            (Some(2), Points, Points),
            (Some(3), Received, Received),
            (Some(0), Received, Received),
            (Some(4), Received, Received),
        ] {
            assert_eq!((PaidIn::of(false, debit_fee), PaidIn::of(true, debit_fee)), (off, on), "{debit_fee:?}");
        }
    }
}
