//! The conformance runner, which checks cases given as rows: JSON objects, one per line. It never decides by the id of
//! a row.
//!
//! Every row has an `id`, a `layer` and an `expect`. A `decode` row says how octets are parsed, an `encode` row how a
//! frame is written, a `session` row how a client reacts to the octets of a broker, and an `ack` row how a message is
//! acknowledged. A row with an unknown key fails, since an expectation that is not checked would look like one that
//! holds.

use serde_json::Value;

use self::row::Fields;

mod client;
mod decode;
mod encode;
mod row;
mod session;

/// The results of checking rows.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Report {
    /// The number of rows that hold.
    pub passed: usize,
    /// One line for each row that does not hold, with its id, what was expected and what was found.
    pub failed: Vec<String>,
}

impl Report {
    /// Checks every line of a file that is not blank. A file without any such line counts as a failure.
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

    /// Records a file that cannot be read as a failure.
    pub fn unreadable(&mut self, file: &str, why: impl std::fmt::Display) {
        self.failed.push(format!("{file}: cannot be read: {why}"));
    }
}

/// Why a row does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Failure {
    /// The id of the row, which is empty if it has none.
    pub id: String,
    /// What was expected and what was found, or what is wrong with the row, in one line.
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
