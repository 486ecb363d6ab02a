//! How long what has happened stays invisible, stale or known.

const MS: u64 = 1_000_000;

/// How long things stay invisible, stale or known. The defaults are Gate's (Gate API v4, lookup lifetime of an order).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Visibility {
    /// A new order is unknown to lookups, lists and cancels by REST for this long.
    pub order_hidden_ns: u64,
    /// A new trade is absent from `/spot/my_trades` for this long.
    pub trade_hidden_ns: u64,
    /// `/spot/accounts` shows the state of this long ago.
    pub balances_stale_ns: u64,
    /// A cancelled order without fills is forgotten this long after its end.
    pub unfilled_forgotten_ns: u64,
    /// A finished order can be found by its `text` for this long after its end; by id it stays findable.
    pub text_lookup_ns: u64,
    /// Look-ups and lists of orders show the state of this long ago.
    pub orders_stale_ns: u64,
}

impl Default for Visibility {
    fn default() -> Visibility {
        Visibility {
            order_hidden_ns: 0,
            trade_hidden_ns: 0,
            balances_stale_ns: 0,
            unfilled_forgotten_ns: 60_000 * MS,
            text_lookup_ns: 3_600_000 * MS,
            orders_stale_ns: 0,
        }
    }
}
