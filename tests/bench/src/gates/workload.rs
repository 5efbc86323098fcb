//! What of the codec is counted.

use std::hint::black_box;

use bytes::BytesMut;
use stomp_bench::{
    corpus::{self, Corpus, Send},
    decoders::{self, Decode},
    encoders,
    workload::Workload,
};

/// The workload of that name.
pub(crate) fn find(name: &str) -> Option<Workload> {
    Some(match name {
        "copy-only" => copying(corpus::whole().swap_remove(0)),
        "decode-small" => reading(corpus::whole().swap_remove(0)),
        "decode-medium" => reading(corpus::whole().swap_remove(1)),
        "decode-large" => reading(corpus::whole().swap_remove(2)),
        "decode-escaped" => reading(corpus::whole().swap_remove(3)),
        "decode-no-length" => reading(corpus::whole().swap_remove(5)),
        "lend-small" => lending(corpus::whole().swap_remove(0)),
        "lend-large" => lending(corpus::whole().swap_remove(2)),
        "octets-small" => octet_by_octet(0),
        "octets-medium" => octet_by_octet(1),
        "octets-large" => octet_by_octet(2),
        "encode" => writing(corpus::sends().swap_remove(0), encoders::with_frame_writer),
        "encode-escapes" => writing(corpus::sends().swap_remove(3), encoders::with_frame_writer),
        "encode-prepared" => {
            let send = corpus::sends().swap_remove(0);
            let prepared = encoders::prepare(&send);
            writing(send, move |send, out| encoders::with_prepared(&prepared, send, out))
        }
        "encode-owned" => writing(corpus::sends().swap_remove(0), encoders::with_frame),
        _ => return None,
    })
}

fn reading(corpus: Corpus) -> Workload {
    decoding(decoders::ours(), corpus)
}

fn lending(corpus: Corpus) -> Workload {
    decoding(decoders::Lent(decoders::ours()), corpus)
}

fn decoding(mut decoder: impl Decode + 'static, corpus: Corpus) -> Workload {
    Workload {
        frames: corpus.frames,
        octets: corpus.stream.len() as u64,
        pass: Box::new(move || {
            black_box(decoder.pass(&corpus));
        }),
    }
}

fn octet_by_octet(which: usize) -> Workload {
    let [small, medium, large] = corpus::octet_by_octet();
    reading([small, medium, large].into_iter().nth(which).expect("there are three"))
}

/// The same reads, each copied and dropped: what of the other counts is no parsing.
fn copying(corpus: Corpus) -> Workload {
    let mut space = vec![0; corpus.read];
    Workload {
        frames: corpus.frames,
        octets: corpus.stream.len() as u64,
        pass: Box::new(move || {
            for octets in corpus.stream.chunks(corpus.read) {
                space[..octets.len()].copy_from_slice(octets);
                black_box(&mut space);
            }
        }),
    }
}

/// Frames in a pass of writing; the buffer is emptied after it.
const BATCH: u64 = 256;

fn writing(send: Send, write: impl Fn(&Send, &mut BytesMut) + 'static) -> Workload {
    let octets = encoders::reference(&send).len() as u64 * BATCH;
    let mut out = BytesMut::new();
    Workload {
        frames: BATCH,
        octets,
        pass: Box::new(move || {
            for _ in 0..BATCH {
                write(black_box(&send), &mut out);
            }
            black_box(&mut out).clear();
        }),
    }
}
