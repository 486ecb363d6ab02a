//! What fuzzing found, one test each: the input that showed it stays right.

use fuzz_targets::target;

#[test]
fn a_tape_cut_between_the_bytes_of_a_line_end_reads_like_a_whole_one() {
    // The last line kept its carriage return, which the same line before a line feed does not.
    (target("foreign_tape").run)(b"\x011 {\"a\":1}\r");
    (target("foreign_tape").run)(b"\x011 {\"a\":1}\r\n2 {}\r");
}

#[test]
fn carriage_returns_before_the_end_of_a_line_are_part_of_its_text_but_for_one() {
    // The target printed what it had read with a line feed alone, and the reader took the text's own last byte for part of the end.
    (target("foreign_tape").run)(b"\x011 {\"a\":1}\r\r");
    (target("foreign_tape").run)(b"\x011 {\"a\":1}\r\r\n2 {}\r\r\r\n");
}

#[test]
fn a_connection_that_is_being_closed_has_no_timer_for_what_would_take_its_place() {
    // The replacement was subscribed and silent when the old connection was given up: until that was gone the timer was due again at once.
    let hex = concat!(
        "0101000001000001010000010d0d0d0d0d0d0d0d0d0d0d0d0d220d0d0d0d0d0de081000000000000000d0001022501000001000001010000010d0d00",
        "000000000001140d0d0d220d0d0d0d0d0d0d81000000000000000d00010225030d0d0d0d0d010100010900000000000100a7a7a7a7a7a7a7a7a7a7a7",
        "87a7a7a7a7ffffff7fa7a70b000000000225010000000101500d0d0d0de081000000000000000d0001022501000001000001016964010d0d0d0d0d0d",
        "0d0d0d0d0d0d0d220d0d0d0d0d0d0d81000000000000000d00010225030d0d0d0d0d010100010900000000000100a7a7a7a7a7a7a7a7a7a7a787a7a7",
        "a7a7ffffff7fa7a70b00000000000001015000000000000001015001000000000000000101500100",
    );
    let bytes: Vec<u8> =
        hex.as_bytes().chunks(2).map(|two| u8::from_str_radix(str::from_utf8(two).unwrap(), 16).unwrap()).collect();
    (target("binance_session").run)(&bytes);
}
