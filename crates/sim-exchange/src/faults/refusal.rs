//! Why a venue may refuse an order, by a fault.

/// A reason to refuse an order. Each dialect says it in its own words; configurations name it by Gate's label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Refusal {
    /// The balance does not suffice.
    Balance,
    /// A post-only order would take.
    PostOnly,
    /// A fill-or-kill order cannot be filled.
    FillOrKill,
    /// The price is outside the allowed band.
    PriceBand,
    /// Price or amount have too many decimals.
    Precision,
    /// A parameter has an unusable value.
    Parameter,
    /// The order is too small.
    TooSmall,
    /// The order is too large.
    TooLarge,
    /// The account or the pair may not trade.
    Restricted,
    /// There is no such pair.
    UnknownPair,
    /// Too many orders are open.
    TooManyOrders,
    /// The account is locked.
    AccountLocked,
    /// The client id was used before.
    DuplicateId,
    /// The venue is too busy; nothing was accepted.
    Busy,
}

impl Refusal {
    /// Every one.
    pub const ALL: [Refusal; 14] = [
        Refusal::Balance,
        Refusal::PostOnly,
        Refusal::FillOrKill,
        Refusal::PriceBand,
        Refusal::Precision,
        Refusal::Parameter,
        Refusal::TooSmall,
        Refusal::TooLarge,
        Refusal::Restricted,
        Refusal::UnknownPair,
        Refusal::TooManyOrders,
        Refusal::AccountLocked,
        Refusal::DuplicateId,
        Refusal::Busy,
    ];

    /// Its name in configurations and reports: the label that Gate gives it (Gate API v4, errors).
    pub const fn name(self) -> &'static str {
        match self {
            Refusal::Balance => "BALANCE_NOT_ENOUGH",
            Refusal::PostOnly => "POC_FILL_IMMEDIATELY",
            Refusal::FillOrKill => "FOK_NOT_FILL",
            Refusal::PriceBand => "PRICE_THRESHOLD_EXCEEDED",
            Refusal::Precision => "INVALID_PRECISION",
            Refusal::Parameter => "INVALID_PARAM_VALUE",
            Refusal::TooSmall => "AMOUNT_TOO_LITTLE",
            Refusal::TooLarge => "AMOUNT_TOO_MUCH",
            Refusal::Restricted => "TRADE_RESTRICTED",
            Refusal::UnknownPair => "INVALID_CURRENCY_PAIR",
            Refusal::TooManyOrders => "TOO_MANY_ORDERS",
            Refusal::AccountLocked => "ACCOUNT_LOCKED",
            Refusal::DuplicateId => "REPEATED_CREATION",
            Refusal::Busy => "TOO_BUSY",
        }
    }

    /// The reason of this name.
    pub fn by_name(name: &str) -> Option<Refusal> {
        Refusal::ALL.into_iter().find(|refusal| refusal.name() == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_is_found_by_its_name() {
        for refusal in Refusal::ALL {
            assert_eq!(Refusal::by_name(refusal.name()), Some(refusal));
        }
        assert_eq!(Refusal::by_name("balance_not_enough"), None);
    }
}
