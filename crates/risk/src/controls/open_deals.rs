//! Most deals open at once, and one at a time for each pair.

/// No configuration goes above.
pub const CEILING: u32 = 64;

/// Whether one more deal may be opened.
pub(crate) fn allow_one_more(open: u32, pair_busy: bool, max: u32) -> bool {
    !pair_busy && open < max
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_one_passes_and_one_more_is_refused() {
        assert!(allow_one_more(2, false, 3));
        assert!(!allow_one_more(3, false, 3));
        assert!(!allow_one_more(0, true, 3));
    }
}
