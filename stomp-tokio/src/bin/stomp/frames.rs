//! Frames as people read them, without secrets.

use serde_json::{Map, Value, json};
use stomp_tokio::{Command, Frame};

use crate::{output::printable, secrets::Secrets};

/// So much of a body is shown.
const SHOWN: usize = 400;

/// The frame on several lines: its command, its headers, and the beginning of its body.
pub(crate) fn shown(frame: &Frame, secrets: &Secrets) -> String {
    let mut text = frame.command().to_string();
    for (name, value) in frame.headers().iter() {
        let name = String::from_utf8_lossy(&name.octets()).into_owned();
        let value = match Secrets::is_secret(&name) {
            true => "***".into(),
            false => String::from_utf8_lossy(&value.octets()).replace('\n', "\\n"),
        };
        text.push_str(&format!("\n    {}: {}", printable(&name), printable(&value)));
    }
    text.push_str(&body(frame.body()));
    if hides(frame.command()) { secrets.hide(&text) } else { text }
}

/// The frame for machines.
pub(crate) fn told(frame: &Frame, secrets: &Secrets) -> Value {
    let hides = hides(frame.command());
    let hide = |text: String| if hides { secrets.hide(&text) } else { text };
    let headers = frame.headers().iter().map(|(name, value)| {
        let name = String::from_utf8_lossy(&name.octets()).into_owned();
        let value = match Secrets::is_secret(&name) {
            true => "***".to_owned(),
            false => hide(String::from_utf8_lossy(&value.octets()).into_owned()),
        };
        (name, Value::from(value))
    });
    // The first of each name counts.
    let headers: Vec<_> = headers.collect();
    let headers: Map<_, _> = headers.into_iter().rev().collect();
    let body = hide(String::from_utf8_lossy(frame.body()).into_owned());
    json!({ "command": frame.command().to_string(), "headers": headers, "body": body })
}

/// In the others there is what applications say to each other, where a passcode such as "guest" is a word like any other.
const fn hides(command: Command) -> bool {
    matches!(command, Command::Connect | Command::Stomp | Command::Error | Command::Connected)
}

fn body(body: &[u8]) -> String {
    let (start, rest) = body.split_at(body.len().min(SHOWN));
    match (std::str::from_utf8(start), rest.len()) {
        (Ok(""), _) => String::new(),
        (Ok(text), 0) => format!("\n\n{}", printable(text)),
        (Ok(text), more) => format!("\n\n{} … and {more} octets more", printable(text)),
        (Err(error), _) if error.valid_up_to() + 4 > SHOWN => {
            format!("\n\n{} …", printable(&String::from_utf8_lossy(start)))
        }
        (Err(_), _) => format!("\n\n({} octets that are not text)", body.len()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_secret_is_shown() {
        let mut secrets = Secrets::default();
        secrets.note_uri("tcp://me:hush@a");
        let frame = Frame::new(Command::Error)
            .with_header("message", "no hush")
            .with_header("passcode", "other")
            .with_header("x-auth-token", "other")
            .with_body("hush\u{1b}[2J");
        let text = shown(&frame, &secrets);
        assert!(!text.contains("hush") && !text.contains("other") && !text.contains('\u{1b}'), "{text}");
        assert!(text.starts_with("ERROR\n    message: no ***"), "{text}");
    }

    #[test]
    fn a_long_body_is_cut() {
        let frame = Frame::new(Command::Send).with_body("x".repeat(1000));
        assert!(shown(&frame, &Secrets::default()).ends_with("x … and 600 octets more"));
        let frame = Frame::new(Command::Send).with_body(vec![0xff; 10]);
        assert!(shown(&frame, &Secrets::default()).ends_with("(10 octets that are not text)"));
    }
}
