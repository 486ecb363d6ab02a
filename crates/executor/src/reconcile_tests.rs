//! When reads are asked again.

use super::*;

fn at(millis: u64) -> MonoNanos {
    MonoNanos(millis * MILLI)
}

#[test]
fn a_failed_read_is_asked_again_later_each_time() {
    let mut read = Read::default();
    assert!(!read.due(at(0)));
    read.want(at(0));
    let mut asked = Vec::new();
    for millis in 0..20_000 {
        if read.due(at(millis)) {
            asked.push(millis);
            read.fail(at(millis));
        }
    }
    assert_eq!(asked, vec![0, 500, 1_500, 3_500, 7_500, 12_500, 17_500]);
    read.answer(at(17_500));
    assert_eq!(read.deadline(), None);
}

#[test]
fn an_answer_to_an_older_question_does_not_count() {
    let mut read = Read::default();
    read.want(at(10));
    read.answer(at(9));
    assert!(read.deadline().is_some() && !read.answered_since(at(10)));
    read.answer(at(10));
    assert!(read.deadline().is_none() && read.answered_since(at(10)));
}

#[test]
fn an_unanswered_read_is_asked_again_after_its_time_out() {
    let mut read = Read::default();
    read.want(at(0));
    let asked: Vec<u64> = (0..10_001).filter(|millis| read.due(at(*millis))).collect();
    assert_eq!(asked, vec![0, 5_000, 10_000]);
}

/// When fees are asked for within so many seconds, in milliseconds, where the list fails at its end each time.
fn asked_for_fees(told: &[PairId], seconds: u64) -> Vec<u64> {
    let mut state = VenueState::new(VenueId(0));
    [PairId(0), PairId(1)].into_iter().for_each(|pair| state.list_pair(pair));
    state.want_fees(at(0));
    let mut asked = Vec::new();
    for millis in (0..seconds * 1_000).step_by(100) {
        if state.fees.due(at(millis)) {
            asked.push(millis);
            told.iter().for_each(|pair| state.fees_told(*pair));
            let (venue, read) = (VenueId(0), ReadKind::Fees);
            state.read_failed(&ReadFailure { venue, read, class: ErrorClass::SymbolClosed, received: at(millis) }, at(millis));
        }
    }
    asked
}

#[test]
fn rates_that_came_do_not_begin_the_back_off_of_those_that_did_not_anew() {
    // All of them are read each time: less and less often while one can never be read.
    assert_eq!(asked_for_fees(&[PairId(1)], 200), [0, 500, 1_500, 3_500, 7_500, 15_500, 31_500, 63_500, 123_500, 183_500]);
    // Where nothing came, the venue may be back any moment.
    assert_eq!(asked_for_fees(&[], 20), [0, 500, 1_500, 3_500, 7_500, 12_500, 17_500]);
    // All came since the last failure: it is past.
    assert_eq!(asked_for_fees(&[PairId(0), PairId(1)], 2), [0, 500, 1_000, 1_500]);
}
