//! Times our parser when it lends its frames, beside the lower bound.

#![forbid(unsafe_code)]

mod decode;
mod pairs;
#[allow(dead_code, reason = "this program prints times and nothing else")]
mod results;

use stomp_bench::{corpus, decoders};

fn main() {
    for corpora in [corpus::whole(), corpus::chunked()] {
        decode::decode(corpora, decoders::lending).print_times();
    }
}
