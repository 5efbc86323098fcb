//! The conformance runner: judges rows of wire cases, one JSON object a line, and decides nothing by a row's name.
//!
//! Every row has an `id`, a `layer` and an `expect`. `decode` rows say what octets become; `encode` rows how a frame is
//! written; `session` rows what a client makes of a broker's octets; `ack` rows how a message is acknowledged. A row with a
//! key that the runner does not know fails: an expectation that nobody checks would look like one that holds.

use serde_json::Value;

use self::row::Fields;

mod client;
mod decode;
mod encode;
mod row;
mod session;

/// What a file's rows came to.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Report {
    /// How many rows hold.
    pub passed: usize,
    /// One line for each row that does not: its id, what was expected and what came.
    pub failed: Vec<String>,
}

impl Report {
    /// Judges every line of a file that is not blank. A file without any holds nothing, which is a failure.
    pub fn judge_lines(&mut self, file: &str, lines: &str) {
        let mut rows = lines.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()).peekable();
        if rows.peek().is_none() {
            self.failed.push(format!("{file}: has no rows"));
        }
        for (number, line) in rows {
            match judge_line(line) {
                Ok(()) => self.passed += 1,
                Err(failure) if failure.id.is_empty() => {
                    self.failed.push(format!("{file}:{}: {}", number + 1, failure.text));
                }
                Err(failure) => self.failed.push(format!("{}: {}", failure.id, failure.text)),
            }
        }
    }

    /// Takes note of a file that cannot be read.
    pub fn unreadable(&mut self, file: &str, why: impl std::fmt::Display) {
        self.failed.push(format!("{file}: cannot be read: {why}"));
    }
}

/// Why a row does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Failure {
    /// The row's id; empty when it has none.
    pub id: String,
    /// What was expected and what came, or what is wrong with the row. One line.
    pub text: String,
}

/// Judges one row.
///
/// # Errors
/// [`Failure`] when the row does not hold, or is no row.
pub fn judge_line(line: &str) -> Result<(), Failure> {
    let row: Value = serde_json::from_str(line)
        .map_err(|error| Failure { id: String::new(), text: format!("malformed row: {error}") })?;
    judge(&row).map_err(|text| Failure { id: id_of(&row), text: one_line(&text) })
}

fn id_of(row: &Value) -> String {
    row.get("id").and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn judge(row: &Value) -> Result<(), String> {
    let layer = row.get("layer").and_then(Value::as_str).ok_or("malformed row: no \"layer\"")?;
    row.get("id").and_then(Value::as_str).ok_or("malformed row: no \"id\"")?;
    match layer {
        "decode" => decode::judge(&Fields::of_row(row, &decode::KEYS)?),
        "encode" => encode::judge(&Fields::of_row(row, &encode::KEYS)?),
        "session" => session::judge(&Fields::of_row(row, &session::KEYS)?),
        "ack" => session::judge_ack(&Fields::of_row(row, &session::ACK_KEYS)?),
        other => Err(format!("malformed row: unknown layer \"{other}\"")),
    }
}

/// A failure is one line, whatever of a row it quotes.
fn one_line(text: &str) -> String {
    text.replace('\n', "\\n").replace('\r', "\\r")
}
