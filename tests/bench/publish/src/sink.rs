//! A broker that takes everything: it answers CONNECT, and each frame that asks for a RECEIPT with one. It runs in threads of
//! its own, whose time is not measured.

use std::{
    io::{self, Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    thread,
};

use stomp_proto::{Command, Item, Limits, Parser, Sender, Version};

const CONNECTED: &[u8] = b"CONNECTED\nversion:1.2\nheart-beat:0,0\n\n\0";

/// Starts it; it ends with the program.
pub(crate) fn start() -> io::Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            thread::spawn(move || serve(stream));
        }
    });
    Ok(address)
}

fn serve(mut stream: TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut parser = Parser::new(Sender::Client, Limits::default());
    let (mut octets, mut answers) = (vec![0; 256 * 1024], Vec::new());
    loop {
        let count = stream.read(&mut octets)?;
        if count == 0 {
            return Ok(());
        }
        parser.feed(&octets[..count]);
        while let Some(answer) = next(&mut parser) {
            answers.extend_from_slice(&answer);
        }
        stream.write_all(&answers)?;
        answers.clear();
    }
}

/// What the next frame is answered with.
fn next(parser: &mut Parser) -> Option<Vec<u8>> {
    loop {
        let Item::Frame(frame) = parser.next_item().expect("peers write frames")? else { continue };
        if matches!(frame.command(), Command::Connect | Command::Stomp) {
            parser.set_version(Version::V1_2);
            return Some(CONNECTED.to_vec());
        }
        if let Some(receipt) = frame.header("receipt") {
            let receipt = receipt.text().expect("receipts are text");
            return Some(format!("RECEIPT\nreceipt-id:{receipt}\n\n\0").into_bytes());
        }
    }
}
