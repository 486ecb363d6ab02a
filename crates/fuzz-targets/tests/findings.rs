//! What fuzzing found, one test each: the input that showed it stays right.

use fuzz_targets::target;

#[test]
fn a_tape_cut_between_the_bytes_of_a_line_end_reads_like_a_whole_one() {
    // The last line kept its carriage return, which the same line before a line feed does not.
    (target("foreign_tape").run)(b"\x011 {\"a\":1}\r");
    (target("foreign_tape").run)(b"\x011 {\"a\":1}\r\n2 {}\r");
}
