//! Executions of a long time, at a venue that lists a bounded span of time with one question: window after window, each page by page,
//! until now is reached.
//!
//! A [`Window`] is a page of such a list as its cursor tells it, so that nothing else is remembered. A connector makes its request of the
//! one that a read stands at ([`Window::of`]), and asks after the page for the next ([`Window::after`]).
//!
//! The last window may take long: its pages are newest first, and what is executed after its first page was asked for stands on none of
//! them. Then one more window follows, from before that moment on, so that a list is as new as its end.

use super::TradesRead;
use domain::UnixNanos;

/// A window begins so much before the last one ended: bounds are whole seconds at some venues, and included at some.
const OVERLAP_MS: i64 = 2_000;
/// A last window that took longer than this is followed by another one.
const LAST_MAX_MS: i64 = 10_000;
/// That one begins so much before the last one was asked for: lists lag.
const LAG_MS: i64 = 60_000;
/// Between the parts of a cursor; the venue's own comes last, and may have it too.
const SEPARATOR: char = ';';

/// A page of a list of executions: of which window, and which of its pages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Window {
    /// Its first moment, Unix milliseconds by the venue's clock.
    pub start_ms: i64,
    /// When its first page was asked for, by the same clock; `None` for that page.
    asked_ms: Option<i64>,
    /// The venue's name of the page; empty for the first.
    pub page: String,
}

impl Window {
    /// The page that a read stands at: the first window begins where the read does.
    pub fn of(read: &TradesRead) -> Window {
        let first = || Window { start_ms: read.from().millis().max(0), asked_ms: None, page: String::new() };
        Window::parse(&read.cursor).unwrap_or_else(first)
    }

    fn parse(cursor: &str) -> Option<Window> {
        let mut parts = cursor.splitn(3, SEPARATOR);
        let start_ms = parts.next()?.parse().ok()?;
        let asked_ms = parts.next()?.parse().ok();
        Some(Window { start_ms, asked_ms, page: parts.next()?.to_string() })
    }

    fn cursor(&self) -> String {
        let Window { start_ms, asked_ms, page } = self;
        let asked = asked_ms.map(|at| at.to_string()).unwrap_or_default();
        format!("{start_ms}{SEPARATOR}{asked}{SEPARATOR}{page}")
    }

    /// Its last moment, where it is over at `venue_ns`, the time of asking; `None` for one that reaches up to now. The same for each of its
    /// pages. `span_ms` is how much a window holds.
    pub fn end_ms(&self, span_ms: i64, venue_ns: i64) -> Option<i64> {
        let asked_ms = self.asked_ms.unwrap_or(UnixNanos(venue_ns).millis());
        let next = self.start_ms.saturating_add(span_ms);
        (next <= asked_ms).then_some(next - 1)
    }

    /// The cursor of what follows this page, which was asked for at `venue_ns`: `more` is the venue's name of the next page of this window,
    /// `None` behind the last one. `None` when the list is whole.
    pub fn after(self, more: Option<String>, span_ms: i64, venue_ns: i64) -> Option<String> {
        let now_ms = UnixNanos(venue_ns).millis();
        let asked_ms = self.asked_ms.unwrap_or(now_ms);
        let start_ms = match (&more, self.end_ms(span_ms, venue_ns)) {
            (Some(_), _) => self.start_ms,
            (None, Some(end_ms)) => end_ms.saturating_sub(OVERLAP_MS).max(self.start_ms.saturating_add(1)),
            (None, None) if now_ms.saturating_sub(asked_ms) > LAST_MAX_MS => asked_ms.saturating_sub(LAG_MS).max(self.start_ms),
            (None, None) => return None,
        };
        let asked_ms = more.is_some().then_some(asked_ms);
        Some(Window { start_ms, asked_ms, page: more.unwrap_or_default() }.cursor())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::PairId;
    use domain::time::MILLI;

    const DAY_MS: i64 = 86_400_000;
    const WEEK_MS: i64 = 7 * DAY_MS;
    const NOW_MS: i64 = 1_750_000_000_000;

    fn ns(ms: i64) -> i64 {
        ms * MILLI as i64
    }

    fn read(since_ms: i64) -> TradesRead {
        TradesRead::new(PairId(0), UnixNanos(ns(since_ms)))
    }

    /// Windows of a list, begin and end, when each page takes so long and every window has so many.
    fn walk(since_ms: i64, pages: usize, page_ms: i64) -> Vec<(i64, Option<i64>, String)> {
        let (mut read, mut now_ms, mut seen) = (read(since_ms), NOW_MS, Vec::new());
        while seen.len() < 100 {
            let window = Window::of(&read);
            seen.push((
                window.start_ms - NOW_MS,
                window.end_ms(WEEK_MS, ns(now_ms)).map(|end| end - NOW_MS),
                window.page.clone(),
            ));
            let page: usize = window.page.trim_start_matches("p;").parse().unwrap_or(1);
            let more = (page < pages).then(|| format!("p;{}", page + 1));
            let Some(cursor) = window.after(more, WEEK_MS, ns(now_ms)) else { return seen };
            read.cursor = cursor;
            now_ms += page_ms;
        }
        panic!("no end: {seen:?}");
    }

    #[test]
    fn windows_follow_each_other_until_now_and_leave_nothing_out() {
        assert_eq!(walk(NOW_MS - DAY_MS, 1, 100), [(-DAY_MS, None, String::new())]);
        let first = -15 * DAY_MS;
        let second = first + WEEK_MS - 1 - OVERLAP_MS;
        let third = second + WEEK_MS - 1 - OVERLAP_MS;
        let none = String::new();
        let expected = [
            (first, Some(first + WEEK_MS - 1), none.clone()),
            (second, Some(second + WEEK_MS - 1), none.clone()),
            (third, None, none),
        ];
        assert_eq!(walk(NOW_MS - 15 * DAY_MS, 1, 100), expected);
        // Just over, and just not.
        assert_eq!(walk(NOW_MS - WEEK_MS, 1, 100).len(), 2);
        assert_eq!(walk(NOW_MS - WEEK_MS + 1, 1, 100).len(), 1);
    }

    #[test]
    fn each_page_of_a_window_is_of_the_same_window_though_time_goes_on() {
        // It ends while its pages are read.
        let seen = walk(NOW_MS - WEEK_MS + 150, 3, 100);
        let window = |page: &str| (150 - WEEK_MS, None, page.to_string());
        assert_eq!(seen, [window(""), window("p;2"), window("p;3")]);
        assert_eq!(walk(NOW_MS - 8 * DAY_MS, 2, 100).len(), 4);
    }

    #[test]
    fn what_is_executed_while_the_last_window_is_read_is_read_too() {
        let slow = Window { start_ms: NOW_MS - DAY_MS, asked_ms: Some(NOW_MS), page: "last".into() };
        assert_eq!(slow.clone().after(None, WEEK_MS, ns(NOW_MS + LAST_MAX_MS)), None);
        let next = Window::parse(&slow.after(None, WEEK_MS, ns(NOW_MS + LAST_MAX_MS + 1)).unwrap());
        assert_eq!(next, Some(Window { start_ms: NOW_MS - LAG_MS, asked_ms: None, page: String::new() }));
    }

    #[test]
    fn a_list_from_before_what_is_kept_begins_with_it() {
        let begins = |kept_ms: i64| {
            let mut list = read(NOW_MS - 30 * DAY_MS);
            list.keeps(ns(kept_ms), ns(NOW_MS));
            Window::of(&list).start_ms - NOW_MS
        };
        assert_eq!((begins(40 * DAY_MS), begins(20 * DAY_MS)), (-30 * DAY_MS, -20 * DAY_MS));
        let mut list = read(NOW_MS - 30 * DAY_MS);
        list.keeps(i64::MAX, ns(NOW_MS));
        assert_eq!(list.from(), UnixNanos(ns(NOW_MS - 30 * DAY_MS)));
    }
}
