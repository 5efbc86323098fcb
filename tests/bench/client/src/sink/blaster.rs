//! Messages as fast as the socket takes them: all alike but for their numbers.

use std::{
    io::{self, Write as _},
    net::TcpStream,
    sync::{Mutex, mpsc::Receiver},
};

use super::{Subscribed, spent::Meter};

/// Octets that are written at once, at least.
const CHUNK: usize = 64 * 1024;
/// Digits of a number, leading zeros included.
const DIGITS: usize = 16;
/// Octets of a whole frame with a small body, as in the other benches.
const SMALL: usize = 216;

pub(super) struct Order {
    /// They take turns.
    pub(super) subscribed: Vec<Subscribed>,
    pub(super) count: usize,
    /// Of a body.
    pub(super) octets: usize,
}

/// Obeys until nobody can order any more.
pub(super) fn run(orders: &Receiver<Order>, writer: &Mutex<TcpStream>, mut meter: Meter) -> io::Result<()> {
    let mut numbers = 0..u64::MAX;
    while let Ok(Order { subscribed, count, octets }) = orders.recv() {
        let templates: Vec<_> =
            subscribed.iter().map(|subscribed| Template::new(subscribed, octets)).collect();
        let mut chunk = Vec::with_capacity(CHUNK);
        for (template, number) in templates.iter().cycle().zip(&mut numbers).take(count) {
            template.append(number, &mut chunk);
            if chunk.len() >= CHUNK {
                write(writer, &mut chunk, &mut meter)?;
            }
        }
        write(writer, &mut chunk, &mut meter)?;
    }
    Ok(())
}

fn write(writer: &Mutex<TcpStream>, chunk: &mut Vec<u8>, meter: &mut Meter) -> io::Result<()> {
    writer.lock().expect("nobody panics").write_all(chunk)?;
    meter.note();
    chunk.clear();
    Ok(())
}

/// A frame, and where its number is.
struct Template {
    frame: Vec<u8>,
    numbers: Vec<usize>,
}

impl Template {
    /// Each message has an id, and one for its ACK where it is acknowledged. With both, and whatever the id of the subscription,
    /// a small frame has the same size.
    fn new(Subscribed { id, is_acked }: &Subscribed, octets: usize) -> Self {
        let ids = if *is_acked { vec!["message-id", "ack"] } else { vec!["message-id"] };
        let bare = Self::padded(id, &ids, octets, 0);
        let padding = if octets < SMALL { SMALL.saturating_sub(bare.frame.len()) } else { 0 };
        Self::padded(id, &ids, octets, padding)
    }

    fn padded(subscription: &str, ids: &[&str], octets: usize, padding: usize) -> Self {
        let mut frame = format!("MESSAGE\nsubscription:{subscription}\n").into_bytes();
        let mut numbers = Vec::new();
        for (at, name) in ids.iter().enumerate() {
            let padding = "x".repeat(padding * (at + 1) / ids.len() - padding * at / ids.len());
            frame.extend_from_slice(format!("{name}:T_{padding}").as_bytes());
            numbers.push(frame.len());
            frame.extend_from_slice(&[b'0'; DIGITS]);
            frame.push(b'\n');
        }
        let rest = format!(
            "destination:/queue/orders.incoming\ncontent-type:text/plain\npriority:4\ncontent-length:{octets}\n\n"
        );
        frame.extend_from_slice(rest.as_bytes());
        frame.extend((0..octets).map(|at| b' ' + (at % 95) as u8));
        frame.push(0);
        Self { frame, numbers }
    }

    fn append(&self, number: u64, chunk: &mut Vec<u8>) {
        let start = chunk.len();
        chunk.extend_from_slice(&self.frame);
        for at in &self.numbers {
            let mut rest = number;
            for digit in chunk[start + at..][..DIGITS].iter_mut().rev() {
                *digit = b'0' + (rest % 10) as u8;
                rest /= 10;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_frames_have_one_size_and_bear_their_number() {
        for (id, is_acked) in [("1", false), ("sub-0", false), ("1", true), ("sub-0", true)] {
            let subscribed = Subscribed { id: id.to_owned(), is_acked };
            let mut frame = Vec::new();
            Template::new(&subscribed, 32).append(4711, &mut frame);
            assert_eq!(frame.len(), SMALL, "{id}, {is_acked}");
            let frame = String::from_utf8(frame).unwrap();
            assert_eq!(frame.matches("0000004711\n").count(), 1 + usize::from(is_acked), "{frame}");
        }
    }
}
