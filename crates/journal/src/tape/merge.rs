//! Several tapes as one, in time order, without holding them: only the next entry of each is kept.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Entries of several sources that are each in time order, merged: by time, at equal times earlier sources first, and a source's
/// own order always. Start at [`merge`].
pub struct Merged<S, T> {
    sources: Vec<S>,
    heads: Vec<Option<T>>,
    due: BinaryHeap<Reverse<(i64, usize)>>,
    time: fn(&T) -> i64,
    begun: bool,
}

/// Merges `sources`; `time` tells an entry's Unix nanoseconds. A source that is out of order stays in its own order.
pub fn merge<S, T, E>(sources: Vec<S>, time: fn(&T) -> i64) -> Merged<S, T>
where
    S: Iterator<Item = Result<T, E>>,
{
    let heads = sources.iter().map(|_| None).collect();
    Merged { sources, heads, due: BinaryHeap::new(), time, begun: false }
}

impl<S, T, E> Merged<S, T>
where
    S: Iterator<Item = Result<T, E>>,
{
    fn pull(&mut self, index: usize) -> Result<(), E> {
        let next = self.sources.get_mut(index).and_then(Iterator::next).transpose()?;
        if let Some(entry) = &next {
            self.due.push(Reverse(((self.time)(entry), index)));
        }
        if let Some(head) = self.heads.get_mut(index) {
            *head = next;
        }
        Ok(())
    }
}

impl<S, T, E> Iterator for Merged<S, T>
where
    S: Iterator<Item = Result<T, E>>,
{
    type Item = Result<(usize, T), E>;

    fn next(&mut self) -> Option<Self::Item> {
        if !std::mem::replace(&mut self.begun, true) {
            for index in 0..self.sources.len() {
                if let Err(error) = self.pull(index) {
                    return Some(Err(error));
                }
            }
        }
        let Reverse((_, index)) = self.due.pop()?;
        let entry = self.heads.get_mut(index)?.take()?;
        match self.pull(index) {
            Ok(()) => Some(Ok((index, entry))),
            Err(error) => Some(Err(error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn merging_is_stable_and_by_time() {
        let source = |list: &[(i64, &'static str)]| list.iter().map(|e| Ok::<_, ()>(*e)).collect::<Vec<_>>().into_iter();
        let merged = merge(
            vec![source(&[(3, "late"), (5, "a"), (5, "b")]), source(&[(3, "c"), (5, "d"), (9, "e")]), source(&[])],
            |e: &(i64, &str)| e.0,
        );
        let shown: Vec<_> = merged.map(|e| e.map(|(index, (_, text))| (index, text)).unwrap()).collect();
        assert_eq!(shown, [(0, "late"), (1, "c"), (0, "a"), (0, "b"), (1, "d"), (1, "e")]);
    }

    #[test]
    fn a_source_that_fails_is_told_of() {
        let mut merged = merge(vec![vec![Ok(1), Err("torn")].into_iter(), vec![Ok(2)].into_iter()], |e: &i64| *e);
        assert_eq!(merged.next(), Some(Err("torn")));
    }
}
