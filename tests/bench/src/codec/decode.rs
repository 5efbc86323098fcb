//! Times decoders over corpora.

use stomp_bench::{corpus::Corpus, decoders::Decode};

use crate::{
    pairs::{Work, measure_all},
    results::Results,
};

/// Decoders of one kind each, by name.
type Named = Vec<(&'static str, Box<dyn Decode>)>;

/// The times of all decoders, of which the first is what they are relative to.
pub(crate) fn decode(corpora: Vec<Corpus>, decoders: fn() -> Named) -> Results {
    let names = decoders().into_iter().map(|(name, _)| name).collect();
    let mut results = Results::new("decode", names);
    for corpus in corpora {
        let corpus: &'static Corpus = Box::leak(Box::new(corpus));
        eprintln!("decode: {}", corpus.name);
        let works = decoders().into_iter().map(|(_, decoder)| reading(decoder, corpus));
        let base = decoders().swap_remove(0).1;
        results.push(corpus.name, measure_all(reading(base, corpus), works));
    }
    results
}

fn reading(mut decoder: Box<dyn Decode>, corpus: &'static Corpus) -> Work {
    Box::new(move || decoder.pass(corpus).frames)
}
