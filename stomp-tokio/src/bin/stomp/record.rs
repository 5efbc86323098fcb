//! A message as a line of JSON, which can be read again.
//!
//! `{"destination": "/queue/a", "headers": {"colour": "red"}, "body": "text"}`. A body that is not UTF-8 is in `body_base64`.
//! Of a header that comes several times all values are kept, in an array; the first one counts.

use std::borrow::Cow;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Map, Value, json};
use stomp_tokio::{Bytes, Headers, application_headers};

/// A message that was read from a line.
#[derive(Debug, Default)]
pub(crate) struct Record {
    pub(crate) destination: Option<String>,
    pub(crate) headers: Headers,
    pub(crate) body: Bytes,
}

/// The line of a message, with its end.
pub(crate) fn line(headers: &Headers, body: &[u8]) -> Vec<u8> {
    let mut line = object(headers, body).to_string().into_bytes();
    line.push(b'\n');
    line
}

fn object(headers: &Headers, body: &[u8]) -> Value {
    let mut object = Map::new();
    if let Some(destination) = headers.get_str("destination") {
        object.insert("destination".into(), destination.into());
    }
    object.insert("headers".into(), Value::Object(named(headers)));
    match std::str::from_utf8(body) {
        Ok(text) => object.insert("body".into(), text.into()),
        Err(_) => object.insert("body_base64".into(), STANDARD.encode(body).into()),
    };
    Value::Object(object)
}

fn named(headers: &Headers) -> Map<String, Value> {
    let mut named = Map::new();
    for (name, value) in headers.iter().filter(|(name, _)| *name != *"destination") {
        let value: Value = lossy(value.octets()).into();
        let other = named.get_mut(&*lossy(name.octets()));
        match other {
            None => _ = named.insert(lossy(name.octets()), value),
            Some(Value::Array(values)) => values.push(value),
            Some(first) => *first = json!([first.take(), value]),
        }
    }
    named
}

fn lossy(octets: Cow<'_, [u8]>) -> String {
    String::from_utf8_lossy(&octets).into_owned()
}

impl Record {
    /// Reads a line.
    pub(crate) fn parse(line: &[u8]) -> Result<Self, String> {
        let value: Value = serde_json::from_slice(line).map_err(|error| format!("no JSON: {error}"))?;
        let Value::Object(fields) = value else { return Err("no object of JSON".into()) };
        let mut record = Self::default();
        for (name, value) in fields {
            record.take(&name, value)?;
        }
        Ok(record)
    }

    /// The headers for sending it. One that was received has headers of its delivery, which are not sent again.
    pub(crate) fn headers_to_send(&self) -> Cow<'_, Headers> {
        if self.headers.get("message-id").is_some() {
            Cow::Owned(application_headers(&self.headers))
        } else {
            Cow::Borrowed(&self.headers)
        }
    }

    fn take(&mut self, name: &str, value: Value) -> Result<(), String> {
        match (name, value) {
            ("destination", Value::String(destination)) => self.destination = Some(destination),
            ("headers", Value::Object(headers)) => {
                headers.into_iter().try_for_each(|(name, value)| self.take_header(&name, value))?;
            }
            ("body", Value::String(text)) => self.body = text.into(),
            ("body", value) => self.body = value.to_string().into(),
            ("body_base64", Value::String(text)) => {
                let octets = STANDARD.decode(text).map_err(|error| format!("no base64: {error}"))?;
                self.body = octets.into();
            }
            ("destination" | "headers" | "body_base64", _) => {
                return Err(format!("\"{name}\" is of a wrong type"));
            }
            _ => {
                return Err(format!(
                    "\"{name}\" is unknown: there are destination, headers, body and body_base64"
                ));
            }
        }
        Ok(())
    }

    fn take_header(&mut self, name: &str, value: Value) -> Result<(), String> {
        match value {
            Value::Array(values) => {
                return values.into_iter().try_for_each(|value| self.take_header(name, value));
            }
            Value::String(text) => self.headers.push(name, text),
            Value::Number(_) | Value::Bool(_) => self.headers.push(name, value.to_string()),
            _ => return Err(format!("the header \"{name}\" is neither a string nor a number")),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        let mut headers = Headers::new();
        headers.push("destination", "/queue/a");
        headers.push("a:b", "two\nlines");
        headers.push("twice", "first");
        headers.push("twice", "second");
        for body in [&b"text"[..], b"", b"\xff\x00", "ü\"\n".as_bytes()] {
            let line = line(&headers, body);
            assert_eq!(line.iter().filter(|octet| **octet == b'\n').count(), 1);
            let record = Record::parse(&line).unwrap();
            assert_eq!(record.destination.as_deref(), Some("/queue/a"));
            assert_eq!(record.headers.get_str("a:b").as_deref(), Some("two\nlines"));
            assert_eq!(record.headers.get_str("twice").as_deref(), Some("first"));
            assert_eq!(record.headers.len(), 3);
            assert_eq!(&record.body[..], body);
        }
    }

    #[test]
    fn what_cannot_be_read_is_told() {
        let rows = [
            ("", "no JSON"),
            ("[]", "no object"),
            ("{\"bodi\":\"\"}", "\"bodi\" is unknown"),
            ("{\"destination\":1}", "wrong type"),
            ("{\"headers\":{\"a\":null}}", "the header \"a\""),
            ("{\"body_base64\":\"?\"}", "no base64"),
        ];
        for (line, words) in rows {
            let error = Record::parse(line.as_bytes()).unwrap_err();
            assert!(error.contains(words), "{line}: {error}");
        }
        assert_eq!(&Record::parse(b"{\"body\":{\"a\":1}}").unwrap().body[..], b"{\"a\":1}");
    }
}
