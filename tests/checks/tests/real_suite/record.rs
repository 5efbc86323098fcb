//! What came of a case, as a line of JSON.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write as _},
    path::Path,
};

use serde_json::{Value, json};

/// What came of a case with one broker, adapter and version.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    /// The name of the broker.
    pub(crate) broker: String,
    /// The name of the case.
    pub(crate) case: String,
    /// The adapter, and the version of the protocol.
    pub(crate) variant: String,
    /// What came of it.
    pub(crate) verdict: Verdict,
    /// Why it failed, at the first time if it has passed at the second one, or does not apply.
    pub(crate) reason: String,
    /// How long it took.
    pub(crate) seconds: f64,
}

/// In the order in which one stands for several.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Verdict {
    /// The broker lacks what the case needs, as its description says.
    DoesNotApply,
    /// It passed.
    Passed,
    /// It failed.
    Failed,
}

impl Verdict {
    const ALL: [Self; 3] = [Self::DoesNotApply, Self::Passed, Self::Failed];

    /// As in the table.
    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::DoesNotApply => "-",
            Self::Passed => "ok",
            Self::Failed => "RED",
        }
    }
}

impl Record {
    /// Whether it has passed only when it was run once more.
    pub(crate) fn passed_at_second(&self) -> bool {
        self.verdict == Verdict::Passed && !self.reason.is_empty()
    }

    fn to_json(&self) -> Value {
        json!({
            "broker": self.broker, "case": self.case, "variant": self.variant, "verdict": self.verdict.text(),
            "reason": self.reason, "seconds": (self.seconds * 10.0).round() / 10.0,
        })
    }

    fn from_json(value: &Value) -> Option<Self> {
        let text = |name: &str| Some(value[name].as_str()?.to_owned());
        let verdict = text("verdict")?;
        Some(Self {
            broker: text("broker")?,
            case: text("case")?,
            variant: text("variant")?,
            verdict: Verdict::ALL.into_iter().find(|known| known.text() == verdict)?,
            reason: text("reason")?,
            seconds: value["seconds"].as_f64()?,
        })
    }

    /// Adds it to the file.
    pub(crate) fn append(&self, file: &Path) -> io::Result<()> {
        let mut file = OpenOptions::new().create(true).append(true).open(file)?;
        file.write_all(format!("{}\n", self.to_json()).as_bytes())
    }
}

/// All records of a file. Nobody has written where there is none.
pub(crate) fn read(file: &Path) -> Vec<Record> {
    let text = fs::read_to_string(file).unwrap_or_default();
    let records = text.lines().filter_map(|line| Record::from_json(&serde_json::from_str(line).ok()?));
    records.collect()
}
