//! Rows: which keys one may have, and of which type their values are.

use std::fmt::Write as _;

use serde_json::{Map, Value};
use stomp_proto::{Sender, Version};

/// Keys of every row. All but the first four inform people and are not judged.
const COMMON: [&str; 11] =
    ["id", "layer", "version", "direction", "level", "why", "spec_ref", "tags", "verified", "ruling", "alt"];

/// A JSON object of which every key is known.
pub(super) struct Fields<'a> {
    what: &'static str,
    map: &'a Map<String, Value>,
}

impl<'a> Fields<'a> {
    /// A row, with the keys of its layer.
    pub(super) fn of_row(row: &'a Value, known: &[&str]) -> Result<Self, String> {
        Self::new(row, "row", &[&COMMON, known].concat())
    }

    pub(super) fn new(value: &'a Value, what: &'static str, known: &[&str]) -> Result<Self, String> {
        let map = value.as_object().ok_or_else(|| format!("malformed row: {what} is no object"))?;
        match map.keys().find(|key| !known.contains(&key.as_str())) {
            Some(unknown) => Err(format!("malformed row: unknown key \"{unknown}\" in {what}")),
            None => Ok(Self { what, map }),
        }
    }

    pub(super) fn get(&self, key: &str) -> Option<&'a Value> {
        self.map.get(key)
    }

    /// The value of that key as `read` understands it, if there is one.
    pub(super) fn maybe<T>(
        &self,
        key: &str,
        kind: &str,
        read: impl FnOnce(&'a Value) -> Option<T>,
    ) -> Result<Option<T>, String> {
        let Some(value) = self.get(key) else { return Ok(None) };
        let wrong = || format!("malformed row: \"{key}\" in {} is not {kind}: {value}", self.what);
        read(value).map(Some).ok_or_else(wrong)
    }

    fn required<T>(&self, key: &str, found: Option<T>) -> Result<T, String> {
        found.ok_or_else(|| format!("malformed row: no \"{key}\" in {}", self.what))
    }

    pub(super) fn maybe_text(&self, key: &str) -> Result<Option<&'a str>, String> {
        self.maybe(key, "a text", Value::as_str)
    }

    pub(super) fn text(&self, key: &str) -> Result<&'a str, String> {
        self.required(key, self.maybe_text(key)?)
    }

    pub(super) fn maybe_octets(&self, key: &str) -> Result<Option<Vec<u8>>, String> {
        self.maybe(key, "hexadecimal", |value| value.as_str().and_then(from_hex))
    }

    pub(super) fn octets(&self, key: &str) -> Result<Vec<u8>, String> {
        self.required(key, self.maybe_octets(key)?)
    }

    pub(super) fn maybe_number(&self, key: &str) -> Result<Option<u64>, String> {
        self.maybe(key, "a number", Value::as_u64)
    }

    pub(super) fn number(&self, key: &str) -> Result<u64, String> {
        self.required(key, self.maybe_number(key)?)
    }

    /// A flag, which is off when it is not there.
    pub(super) fn flag(&self, key: &str) -> Result<bool, String> {
        Ok(self.maybe(key, "true or false", Value::as_bool)?.unwrap_or_default())
    }

    pub(super) fn list(&self, key: &str) -> Result<&'a [Value], String> {
        let list = self.maybe(key, "a list", |value| value.as_array().map(Vec::as_slice))?;
        self.required(key, list)
    }

    pub(super) fn maybe_texts(&self, key: &str) -> Result<Option<Vec<&'a str>>, String> {
        self.maybe(key, "a list of texts", |value| value.as_array()?.iter().map(Value::as_str).collect())
    }

    pub(super) fn maybe_fields(&self, key: &'static str, known: &[&str]) -> Result<Option<Self>, String> {
        self.get(key).map(|value| Self::new(value, key, known)).transpose()
    }

    pub(super) fn fields(&self, key: &'static str, known: &[&str]) -> Result<Self, String> {
        self.required(key, self.maybe_fields(key, known)?)
    }

    /// The headers under that key: pairs of texts, in order.
    pub(super) fn headers(&self, key: &str) -> Result<Vec<Header>, String> {
        let wrong = |pair| format!("malformed row: a header in {} is no pair of texts: {pair}", self.what);
        self.list(key)?.iter().map(|pair| header(pair).ok_or_else(|| wrong(pair))).collect()
    }

    pub(super) fn version(&self) -> Result<Version, String> {
        let name = self.text("version")?;
        Version::from_name(name).ok_or_else(|| format!("malformed row: unknown version \"{name}\""))
    }

    /// Who wrote the octets of the row.
    pub(super) fn sender(&self) -> Result<Sender, String> {
        match self.text("direction")? {
            "s2c" => Ok(Sender::Server),
            "c2s" => Ok(Sender::Client),
            other => Err(format!("malformed row: unknown direction \"{other}\"")),
        }
    }
}

/// A header's name and value, in octets.
pub(super) type Header = (Vec<u8>, Vec<u8>);

fn header(pair: &Value) -> Option<Header> {
    let [name, value] = pair.as_array()?.as_slice() else { return None };
    Some((text_octets(name)?, text_octets(value)?))
}

/// A text, which is written `{"hex": …}` where it is not UTF-8.
fn text_octets(text: &Value) -> Option<Vec<u8>> {
    match text {
        Value::String(text) => Some(text.as_bytes().to_vec()),
        Value::Object(map) if map.len() == 1 => from_hex(map.get("hex")?.as_str()?),
        _ => None,
    }
}

pub(super) fn from_hex(digits: &str) -> Option<Vec<u8>> {
    let digit = |octet: u8| char::from(octet).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let (pairs, []) = digits.as_bytes().as_chunks::<2>() else { return None };
    pairs.iter().map(|&[high, low]| Some(digit(high)? << 4 | digit(low)?)).collect()
}

/// Octets as a message shows them: escaped, and cut where they are many.
pub(super) fn shown(octets: &[u8]) -> String {
    const MOST: usize = 200;
    let mut text = format!("\"{}\"", octets.get(..MOST).unwrap_or(octets).escape_ascii());
    if octets.len() > MOST {
        let _ = write!(text, "… of {} octets", octets.len());
    }
    text
}
