//! The list of scenarios that older clients were tested by names tests that exist.

use std::{fs, path::Path};

const LIST: &str = include_str!("../../PARITY.md");

/// What stands between backquotes and looks like `path/file.rs::name`.
fn named() -> impl Iterator<Item = (&'static str, &'static str)> {
    LIST.split('`').skip(1).step_by(2).filter_map(|quoted| quoted.split_once(".rs::"))
}

/// Whether a function of that name is a test: by its attribute, or since the suite of its folder lists it.
fn is_test(path: &Path, text: &str, name: &str) -> bool {
    let function = format!("fn {name}");
    let follows = |rest: &str| rest.starts_with(['(', '<']);
    let Some((at, _)) = text.match_indices(&function).find(|(at, _)| follows(&text[at + function.len()..]))
    else {
        return false;
    };
    let attributes = text[..at].rsplit("\n\n").next().unwrap_or_default();
    let suites = ["main.rs", "mod.rs"].map(|suite| path.with_file_name(suite));
    attributes.contains("#[test]")
        || suites.iter().filter_map(|suite| fs::read_to_string(suite).ok()).any(|suite| {
            let calls = [format!("::{name},"), format!(", {name}::<A>"), format!("::{name}::<A>")];
            calls.iter().any(|call| suite.contains(call))
        })
}

#[test]
fn each_test_that_is_named_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut count = 0;
    for (file, name) in named() {
        let path = root.join(file).with_extension("rs");
        let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        assert!(is_test(&path, &text, name), "{file}.rs has no test {name}");
        count += 1;
    }
    assert!(count > 250, "only {count} tests are named");
}

/// What looks like `A10-NACK`: a letter, a version and a word.
#[test]
fn each_conformance_row_that_is_named_exists() {
    let rows = include_str!("../../data/conformance.jsonl");
    let mut count = 0;
    for name in LIST.split('`').skip(1).step_by(2) {
        if let [b'A'..=b'Z', b'1', b'0'..=b'2', b'-', ..] = name.as_bytes() {
            assert!(rows.contains(&format!("{{\"id\": \"{name}\", ")), "no row {name}");
            count += 1;
        }
    }
    assert!(count > 30, "only {count} rows are named");
}

/// Commands 1 to 24, failover 25 to 37, frames 38 to 45, the parser 46 to 66, the session 67 to 85, the synchronous client 86
/// to 112, the asynchronous one 113 to 135: each once and in order, with a test, a row of octets or a decision.
#[test]
fn no_scenario_is_left_out() {
    let rows: Vec<(u32, &str)> = LIST
        .lines()
        .filter_map(|line| line.strip_prefix("| ")?.split_once(" | "))
        .filter_map(|(number, rest)| Some((number.parse().ok()?, rest)))
        .collect();
    assert!(rows.iter().map(|(number, _)| *number).eq(1..=135), "{rows:?}");
    for (number, rest) in rows {
        let (_, held) = rest.trim_end_matches(" |").split_once(" | ").expect("three columns");
        assert!(held.contains(['`', '*']), "nothing holds {number}");
    }
}

/// What no suite covered: each row names a test.
#[test]
fn what_was_not_covered_is() {
    let (_, rest) = LIST.split_once("\n## What that suite did not cover\n").expect("the section");
    let section = rest.split("\n## ").next().unwrap_or_default();
    let rows: Vec<_> = section.lines().skip(3).filter(|line| line.starts_with("| ")).collect();
    assert_eq!(rows.len(), 30);
    rows.iter().for_each(|row| assert!(row.contains(".rs::"), "{row}"));
}

/// The things that hold across a reconnect: each row names a test, and the planted bugs that show its law at work.
#[test]
fn what_holds_across_a_reconnect_has_its_tests() {
    let (_, section) = LIST.split_once("\n## What holds across a reconnect\n").expect("the section");
    let rows: Vec<_> = section.lines().filter(|line| line.starts_with("| ")).skip(2).collect();
    assert_eq!(rows.len(), 12);
    let planted = Path::new(env!("CARGO_MANIFEST_DIR")).join("planted");
    for row in rows {
        assert!(row.contains(".rs::") && row.contains("INV-"), "{row}");
        let bugs = row.split('`').filter(|quoted| quoted.ends_with(".bug"));
        for bug in bugs {
            let text = fs::read_to_string(planted.join(bug)).unwrap_or_else(|error| panic!("{bug}: {error}"));
            let law = text.lines().find_map(|line| line.strip_prefix("law: ")).expect("a law");
            assert!(row.contains(law), "{bug} breaks {law}");
        }
    }
}

/// What a broker turns out to be: the tests that the list in `brokers.rs` names, there or in a module beside it.
#[test]
fn each_difference_of_a_broker_has_its_tests() {
    let list = include_str!("brokers.rs").lines().filter(|line| line.starts_with("//! | ")).skip(2);
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/session");
    let mut rows = 0;
    for row in list {
        let (_, tests) = row.trim_end_matches(" |").rsplit_once(" | ").expect("two columns");
        for quoted in tests.split('`').skip(1).step_by(2) {
            let (module, name) = quoted.split_once("::").unwrap_or(("brokers", quoted));
            let text = fs::read_to_string(folder.join(module).with_extension("rs")).expect("a module");
            assert!(text.contains(&format!("fn {name}()")), "{module} has no test {name}");
        }
        rows += 1;
    }
    assert_eq!(rows, 13);
}
