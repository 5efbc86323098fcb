//! Checks what does not depend on how busy the machine is, instructions and allocations, against bounds.

#![forbid(unsafe_code)]

mod allocations;
mod callgrind;
mod counted;
mod workload;

use std::{env, process::ExitCode};

use stomp_bench::table;

/// The argument with which this program runs itself under callgrind, and with which a profile is taken.
const WORK: &str = "--work";
const USAGE: &str = "usage: gates [--work NAME PASSES]";

/// Something that is counted, and the most that it may be.
struct Gate {
    what: &'static str,
    count: Count,
    bound: f64,
}

enum Count {
    InstructionsPerFrame(&'static str),
    InstructionsPerOctet(&'static str),
    /// Of an octet in the first workload, relative to one in the second.
    InstructionsRelative(&'static str, &'static str),
    AllocationsPerFrame(&'static str),
    AllocationsPerKeptBuffer,
    /// Of a frame through a session without the client.
    SessionInstructions(&'static str),
    /// Of a frame in the first workload of the session, relative to one in the second.
    SessionRelative(&'static str, &'static str),
    SessionAllocations(&'static str),
    /// Of a message through a client.
    ClientInstructions(&'static str),
    ClientAllocations(&'static str),
    /// Calls of `memcpy` and `memmove` for a message through a client.
    ClientCopies(&'static str),
    /// A message through a client in which tracing is compiled and nobody listens, relative to one in which it is not.
    ClientTraced(&'static str),
    /// Octets of an idle session, its parser apart.
    IdleSession,
}

use Count::{
    AllocationsPerFrame, AllocationsPerKeptBuffer, ClientAllocations, ClientCopies, ClientInstructions,
    ClientTraced, IdleSession, InstructionsPerFrame, InstructionsPerOctet, InstructionsRelative,
    SessionAllocations, SessionInstructions, SessionRelative,
};

const fn gate(what: &'static str, count: Count, bound: f64) -> Gate {
    Gate { what, count, bound }
}

/// What codec and session must reach. Copies and cleared memory count here as on a processor that does them by `rep movsb` and
/// `rep stosb`, an instruction an octet; on others there are fewer.
const WANTED: [Gate; 23] = [
    gate("a receipt, 1,000,000 waiting / 1", SessionRelative("receipts-1000000", "receipts-1"), 2.0),
    gate("a message, 10,000 subscriptions / 1", SessionRelative("messages-10000", "messages-1"), 1.5),
    gate("an UNSUBSCRIBE, 4,000 at once / 4", SessionRelative("unsubscribes-4000", "unsubscribes-4"), 1.3),
    // A fifth less than when messages were queued in the session.
    gate("instructions, a small message through a session", SessionInstructions("received"), 2094.0),
    gate("allocations, a small message through a session", SessionAllocations("received"), 0.0),
    gate("a message received, tracing compiled in / not", ClientTraced("received"), 1.01),
    // 65 instructions for the span of each message.
    gate("a message handled, tracing compiled in / not", ClientTraced("handled"), 1.02),
    gate("instructions, a message through a publisher", ClientInstructions("published"), 1104.0),
    gate(
        "instructions, a confirmed message through a publisher",
        ClientInstructions("published-confirmed"),
        4690.0,
    ),
    gate("octets of heap, an idle session", IdleSession, 2200.0),
    gate("an octet read alone, medium / small", InstructionsRelative("octets-medium", "octets-small"), 1.0),
    gate("an octet read alone, large / small", InstructionsRelative("octets-large", "octets-small"), 1.0),
    gate("allocations, a small frame", AllocationsPerFrame("decode-small"), 0.0),
    gate("allocations, a medium frame", AllocationsPerFrame("decode-medium"), 0.0),
    gate("allocations, a large frame", AllocationsPerFrame("decode-large"), 0.0),
    gate("allocations, a small frame that is lent", AllocationsPerFrame("lend-small"), 0.0),
    gate("allocations, a large frame that is lent", AllocationsPerFrame("lend-large"), 0.0),
    gate("allocations, a frame with escapes", AllocationsPerFrame("decode-escaped"), 0.0),
    gate("allocations, 64 KiB without length", AllocationsPerFrame("decode-no-length"), 0.0),
    gate("allocations, a large frame, octet by octet", AllocationsPerFrame("octets-large"), 0.0),
    gate("allocations, a SEND of 32 B", AllocationsPerFrame("encode"), 0.0),
    gate("allocations, a prepared SEND of 32 B", AllocationsPerFrame("encode-prepared"), 0.0),
    gate("instructions, a prepared SEND of 32 B", InstructionsPerFrame("encode-prepared"), 250.0),
];

/// What the client reached around the session, and 3 % above it.
const CLIENT: [Gate; 18] = [
    gate("instructions, a message received", ClientInstructions("received"), 2850.0),
    gate("allocations, a message received", ClientAllocations("received"), 0.02),
    gate("copies, a message received", ClientCopies("received"), 5.2),
    gate("instructions, a message received and acknowledged", ClientInstructions("acknowledged"), 4630.0),
    gate("allocations, a message received and acknowledged", ClientAllocations("acknowledged"), 0.05),
    gate("copies, a message received and acknowledged", ClientCopies("acknowledged"), 9.4),
    gate("instructions, a message handled and acknowledged", ClientInstructions("handled"), 5200.0),
    gate("allocations, a message handled and acknowledged", ClientAllocations("handled"), 0.11),
    gate("copies, a message handled and acknowledged", ClientCopies("handled"), 9.4),
    gate("instructions, a message sent", ClientInstructions("sent"), 4495.0),
    gate("allocations, a message sent", ClientAllocations("sent"), 1.07),
    gate("copies, a message sent", ClientCopies("sent"), 26.9),
    gate("instructions, a message sent and confirmed", ClientInstructions("confirmed"), 8690.0),
    gate("allocations, a message sent and confirmed", ClientAllocations("confirmed"), 1.08),
    gate("copies, a message sent and confirmed", ClientCopies("confirmed"), 40.2),
    gate(
        "instructions, a message sent whose RECEIPT is waited for",
        ClientInstructions("ping-pong"),
        16050.0,
    ),
    gate("allocations, a message sent whose RECEIPT is waited for", ClientAllocations("ping-pong"), 4.13),
    gate("copies, a message sent whose RECEIPT is waited for", ClientCopies("ping-pong"), 41.5),
];

/// What the codec must not fall behind again: a little above what it has reached.
const HELD: [Gate; 12] = [
    gate("instructions, a small frame", InstructionsPerFrame("decode-small"), 1400.0),
    gate("instructions, a small frame that is lent", InstructionsPerFrame("lend-small"), 1250.0),
    gate("instructions, a medium frame", InstructionsPerFrame("decode-medium"), 3000.0),
    gate("instructions, an octet of a large frame", InstructionsPerOctet("decode-large"), 1.31),
    gate("instructions, a frame with escapes", InstructionsPerFrame("decode-escaped"), 3600.0),
    gate("instructions, an octet of 64 KiB without length", InstructionsPerOctet("decode-no-length"), 1.45),
    gate("instructions, an octet read alone, small", InstructionsPerOctet("octets-small"), 350.0),
    gate("instructions, an octet read alone, medium", InstructionsPerOctet("octets-medium"), 190.0),
    gate("instructions, an octet read alone, large", InstructionsPerOctet("octets-large"), 138.0),
    gate("instructions, a SEND of 32 B", InstructionsPerFrame("encode"), 1300.0),
    gate("instructions, a SEND of 32 B with escapes", InstructionsPerFrame("encode-escapes"), 3400.0),
    gate("allocations, 64 KiB of frames that are kept", AllocationsPerKeptBuffer, 1.1),
];

fn main() -> ExitCode {
    let arguments: Vec<_> = env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        [] => check_all(),
        [WORK, name, passes] => work(name, passes).map_or_else(usage, |()| ExitCode::SUCCESS),
        _ => usage(),
    }
}

fn usage() -> ExitCode {
    eprintln!("{USAGE}");
    ExitCode::from(2)
}

fn work(name: &str, passes: &str) -> Option<()> {
    workload::find(name)?.run(passes.parse().ok()?);
    Some(())
}

fn check_all() -> ExitCode {
    let mut rows = vec![["gate", "measured", "bound", ""].map(str::to_owned).to_vec()];
    let mut over = 0;
    for gate in WANTED.iter().chain(&CLIENT).chain(&HELD) {
        let measured = match gate.count.measure() {
            Ok(measured) => measured,
            Err(reason) => return failed(gate, &reason),
        };
        over += u32::from(measured > gate.bound);
        rows.push(gate.row(measured));
    }
    table::print(&rows);
    println!("{over} over");
    if over == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn failed(gate: &Gate, reason: &str) -> ExitCode {
    eprintln!("{}: {reason}", gate.what);
    ExitCode::FAILURE
}

impl Gate {
    fn row(&self, measured: f64) -> Vec<String> {
        let verdict = if measured > self.bound { "OVER" } else { "" };
        vec![self.what.to_owned(), number(measured), number(self.bound), verdict.to_owned()]
    }
}

impl Count {
    fn measure(&self) -> Result<f64, String> {
        Ok(match *self {
            InstructionsPerFrame(name) => callgrind::count(name)?.per_frame,
            InstructionsPerOctet(name) => callgrind::count(name)?.per_octet,
            InstructionsRelative(name, other) => {
                callgrind::count(name)?.per_octet / callgrind::count(other)?.per_octet
            }
            AllocationsPerFrame(name) => allocations::count(name)?,
            AllocationsPerKeptBuffer => allocations::count_kept(),
            SessionInstructions(name) => counted::SESSION.instructions(name)?,
            SessionRelative(name, other) => {
                counted::SESSION.instructions(name)? / counted::SESSION.instructions(other)?
            }
            SessionAllocations(name) => counted::SESSION.allocations(name)?,
            ClientInstructions(name) => counted::CLIENT.instructions(name)?,
            ClientAllocations(name) => counted::CLIENT.allocations(name)?,
            ClientCopies(name) => counted::CLIENT.copies(name)?,
            ClientTraced(name) => counted::TRACED.instructions(name)? / counted::CLIENT.instructions(name)?,
            IdleSession => counted::SESSION.idle()?,
        })
    }
}

/// No more digits than mean something.
fn number(value: f64) -> String {
    if value >= 100.0 { format!("{value:.0}") } else { format!("{value:.3}") }
}
