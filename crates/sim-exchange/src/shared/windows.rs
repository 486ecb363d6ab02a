//! Counts in windows that begin at multiples of their length by the clock, as venues have them that name a minute or a day.

/// A count that starts anew with each window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Window {
    length_ns: u64,
    began_ns: u64,
    used: u64,
}

impl Window {
    /// Nothing counted yet.
    pub(crate) const fn new(length_ns: u64) -> Window {
        Window { length_ns, began_ns: 0, used: 0 }
    }

    /// Counts `units` more at `t_ns`, and returns the window's count.
    pub(crate) fn add(&mut self, units: u64, t_ns: u64) -> u64 {
        self.turn(t_ns);
        self.used = self.used.saturating_add(units);
        self.used
    }

    /// Takes back `units`, down to nothing.
    pub(crate) fn give_back(&mut self, units: u64, t_ns: u64) {
        self.turn(t_ns);
        self.used = self.used.saturating_sub(units);
    }

    /// What is counted in the window of `t_ns`.
    pub(crate) fn used(&mut self, t_ns: u64) -> u64 {
        self.turn(t_ns);
        self.used
    }

    /// When the window of `t_ns` ends.
    pub(crate) fn ends_ns(&self, t_ns: u64) -> u64 {
        (t_ns - t_ns % self.length_ns).saturating_add(self.length_ns)
    }

    fn turn(&mut self, t_ns: u64) {
        let began_ns = t_ns - t_ns % self.length_ns;
        // A clock that steps back counts on in the window it had.
        if began_ns > self.began_ns {
            (self.began_ns, self.used) = (began_ns, 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_ends_by_the_clock_and_not_by_its_first_count() {
        let mut window = Window::new(10);
        assert_eq!(window.add(3, 19), 3);
        assert_eq!((window.ends_ns(19), window.used(19)), (20, 3));
        assert_eq!(window.add(1, 20), 1);
        window.give_back(5, 21);
        assert_eq!(window.used(22), 0);
        assert_eq!((window.add(2, 15), window.used(29), window.used(30)), (2, 2, 0));
    }
}
