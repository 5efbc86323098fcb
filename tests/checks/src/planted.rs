//! Planted bugs: small edits, each of which breaks one law, to check that the tests find such bugs.
//!
//! They are in `tests/planted`, one file for each:
//!
//! ```text
//! law: INV-3
//! why: an ACK of an earlier connection is let through
//! test: session acknowledge::whatever_cannot_be_acknowledged_is_an_error_and_writes_nothing
//! file: stomp-session/src/session/commands.rs
//! <<<<
//! the lines that are taken out, which occur exactly once
//! ====
//! the lines that are put in
//! >>>>
//! ```
//!
//! `test` is optional. It names a test target of `stomp-testkit` and a test in it that finds the bug without the simulator.
//!
//! They are never applied to the working tree. The program `planted` applies each to a copy.

use std::{fs, io, path::Path};

/// An edit of one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edit {
    file: String,
    from: String,
    to: String,
}

/// A planted bug.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Bug {
    /// The name of its file, without the extension.
    pub name: String,
    /// The law that the bug breaks.
    pub law: String,
    /// What the bug does.
    pub why: String,
    /// The target and the name of a test that finds the bug without the simulator.
    pub test: Option<(String, String)>,
    edits: Vec<Edit>,
}

/// Returns all bugs of a workspace, sorted by name.
///
/// # Errors
/// Returns an error if a file cannot be read, with the kind [`io::ErrorKind::InvalidData`] if it does not describe a
/// bug.
pub fn bugs(workspace: &Path) -> io::Result<Vec<Bug>> {
    let mut bugs = Vec::new();
    for file in fs::read_dir(workspace.join("tests/planted"))? {
        let path = file?.path();
        if path.extension().is_some_and(|ending| ending == "bug") {
            let name = path.file_stem().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            let bug = parse(&name, &fs::read_to_string(&path)?);
            bugs.push(bug.ok_or_else(|| invalid(format!("{} is no planted bug", path.display())))?);
        }
    }
    bugs.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(bugs)
}

fn parse(name: &str, text: &str) -> Option<Bug> {
    let field = |key: &str| text.lines().find_map(|line| line.strip_prefix(key)).map(str::to_owned);
    let mut edits = Vec::new();
    for part in text.split("file: ").skip(1) {
        let (file, rest) = part.split_once("\n<<<<\n")?;
        let (from, rest) = rest.split_once("\n====\n")?;
        // Lines may be taken out without others that are put in.
        let (to, _) =
            rest.strip_prefix(">>>>").map(|rest| ("", rest)).or_else(|| rest.split_once("\n>>>>"))?;
        edits.push(Edit { file: file.to_owned(), from: from.to_owned(), to: to.to_owned() });
    }
    let own = |(target, test): (&str, &str)| (target.to_owned(), test.to_owned());
    let test = field("test: ").and_then(|test| test.split_once(' ').map(own));
    let bug = Bug { name: name.to_owned(), law: field("law: ")?, why: field("why: ")?, test, edits };
    (!bug.edits.is_empty()).then_some(bug)
}

impl Bug {
    /// Returns an iterator over the files that the bug changes.
    pub fn files(&self) -> impl Iterator<Item = &str> {
        self.edits.iter().map(|edit| &*edit.file)
    }

    /// Plants the bug in this workspace.
    ///
    /// # Errors
    /// Returns an error if a file cannot be read or written, with the kind [`io::ErrorKind::InvalidData`] if an edit
    /// does not match exactly once, or changes nothing.
    pub fn plant(&self, workspace: &Path) -> io::Result<()> {
        for edit in &self.edits {
            let path = workspace.join(&edit.file);
            fs::write(&path, edit.apply(&fs::read_to_string(&path)?)?)?;
        }
        Ok(())
    }

    /// Checks that the bug could be planted in this workspace, without writing anything.
    ///
    /// # Errors
    /// Returns the same errors as [`plant`](Self::plant).
    pub fn check(&self, workspace: &Path) -> io::Result<()> {
        self.edits
            .iter()
            .try_for_each(|edit| edit.apply(&fs::read_to_string(workspace.join(&edit.file))?).map(drop))
    }
}

impl Edit {
    fn apply(&self, text: &str) -> io::Result<String> {
        let count = text.matches(&self.from).count();
        if count == 1 && self.from != self.to {
            return Ok(text.replacen(&self.from, &self.to, 1));
        }
        Err(invalid(format!("{}: found {count} times: {}", self.file, self.from)))
    }
}

fn invalid(what: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bug_is_read_and_its_edits_fit_once_or_not_at_all() {
        let text = "law: INV-1\nwhy: x\ntest: session a::b\nfile: a.rs\n<<<<\none\n====\ntwo\n>>>>\nfile: b.rs\n<<<<\nthree\n====\n>>>>\n";
        let bug = parse("name", text).unwrap();
        assert_eq!(
            (&*bug.law, &*bug.why, bug.files().collect::<Vec<_>>()),
            ("INV-1", "x", vec!["a.rs", "b.rs"])
        );
        assert_eq!(bug.test, Some(("session".to_owned(), "a::b".to_owned())));
        assert_eq!(bug.edits[0].apply("zero one three").unwrap(), "zero two three");
        assert_eq!(bug.edits[1].apply("one three").unwrap(), "one ");
        assert!(bug.edits[0].apply("one one").is_err() && bug.edits[0].apply("zero three").is_err());
        assert_eq!(parse("name", "law: INV-1\nwhy: nothing is edited\n"), None);
    }
}
