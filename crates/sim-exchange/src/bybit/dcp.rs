//! The protection against disconnects: cancels an account's spot orders when every socket that follows `dcp` has been gone for a
//! while (Bybit API v5, set DCP; private topic `dcp.spot`).
//!
//! Start at [`Protection::set_window`] and [`Protection::on_followers`]. It only counts: whoever drives it cancels the orders
//! when [`Protection::due_ns`] has come.

/// The protection of the venue's one account.
#[derive(Debug, Default)]
pub(super) struct Protection {
    window_s: Option<u64>,
    /// Some socket has followed the topic since the window was set, and how many do now.
    followers: usize,
    was_followed: bool,
    due_ns: Option<u64>,
}

impl Protection {
    /// Seconds after the last disconnect; `None` while it is off.
    pub(super) fn window_s(&self) -> Option<u64> {
        self.window_s
    }

    /// Sets the window. A clock that runs already keeps its end.
    pub(super) fn set_window(&mut self, window_s: u64) {
        self.window_s = Some(window_s);
    }

    /// So many sockets follow the topic at `t_ns`.
    pub(super) fn on_followers(&mut self, followers: usize, t_ns: u64) {
        self.was_followed |= followers > 0;
        if followers > 0 {
            self.due_ns = None;
        } else if self.followers > 0 && self.was_followed {
            self.due_ns = self.window_s.map(|window_s| t_ns.saturating_add(window_s.saturating_mul(1_000_000_000)));
        }
        self.followers = followers;
    }

    /// When the orders are to be cancelled, Unix nanoseconds.
    pub(super) fn due_ns(&self) -> Option<u64> {
        self.due_ns
    }

    /// It has struck: the next disconnect starts it again.
    pub(super) fn strike(&mut self) {
        self.due_ns = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_strikes_only_when_the_last_follower_has_been_gone_long_enough() {
        let mut protection = Protection::default();
        protection.on_followers(1, 0);
        protection.on_followers(0, 5);
        assert_eq!(protection.due_ns(), None, "it is off");
        protection.set_window(3);
        protection.on_followers(2, 10);
        protection.on_followers(1, 20);
        assert_eq!(protection.due_ns(), None, "one is left");
        protection.on_followers(0, 30);
        assert_eq!(protection.due_ns(), Some(3_000_000_030));
        protection.on_followers(0, 40);
        assert_eq!(protection.due_ns(), Some(3_000_000_030), "the clock runs from the first disconnect");
        protection.on_followers(1, 50);
        assert_eq!(protection.due_ns(), None, "back in time");
        protection.on_followers(0, 60);
        protection.strike();
        assert_eq!(protection.due_ns(), None);
    }
}
