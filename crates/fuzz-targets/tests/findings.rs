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
