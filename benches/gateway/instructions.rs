//! The benchmarks as plain loops, for callgrind: `BINARY --loop NAME TIMES`. A run of 2,000 less
//! one of 1,000 is what 1,000 cost, without any set-up.

use std::env::args;

use crate::{decide, price, read};

/// Iterations at most; what is set up beforehand is the same for any number.
const TIMES_MAX: u64 = 2_000;

/// Runs the loop that the command line names; returns `false` if it names none. Prints how many
/// sends an iteration is.
#[expect(clippy::print_stdout, reason = "what counts the instructions reads it")]
pub fn ran() -> bool {
    let arguments: Vec<String> = args().collect();
    let [_, flag, name, times, ..] = arguments.as_slice() else { return false };
    if flag != "--loop" {
        return false;
    }
    let times = times.parse().expect("a number of iterations");
    assert!(times <= TIMES_MAX, "at most {TIMES_MAX} iterations");
    let sends = match name.as_str() {
        "parse/template" => repeat(times, 1, read::template),
        "parse/text" => repeat(times, 1, read::text),
        "price/quote" => repeat(times, 1, price::pricing()),
        "decide/rules" => repeat(times, decide::SENDS, decide::deciding(TIMES_MAX)),
        "encode/batch" => repeat(times, decide::SENDS, decide::encoding()),
        _ => panic!("no benchmark is called {name}"),
    };
    println!("{sends}");
    true
}

fn repeat(times: u64, sends: usize, mut iteration: impl FnMut()) -> usize {
    for _ in 0..times {
        iteration();
    }
    sends
}
