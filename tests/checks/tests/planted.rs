//! The planted bugs can all be planted: sources move, and an edit that fits no more tests nothing.

use std::{fs, path::Path};

use stomp_checks::planted::bugs;

#[test]
fn each_bug_fits_exactly_once() {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let bugs = bugs(&workspace).unwrap();
    let misfits: Vec<_> =
        bugs.iter().filter_map(|bug| Some((&bug.name, bug.check(&workspace).err()?))).collect();
    assert!(misfits.is_empty(), "{misfits:#?}");
    assert!(bugs.len() >= 70, "only {} bugs", bugs.len());
}

/// The tests that are said to find them are there.
#[test]
fn each_test_that_is_named_exists() {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let tests = workspace.join("tests/tests");
    for bug in bugs(&workspace).unwrap() {
        let Some((target, test)) = &bug.test else { continue };
        let (file, name) = test.split_once("::").expect("a test stands in a module");
        let text = fs::read_to_string(tests.join(target).join(file).with_extension("rs")).unwrap_or_default();
        assert!(text.contains(&format!("fn {name}()")), "{}: {test}", bug.name);
    }
}

/// The table says of each what has found it, and of nothing else.
#[test]
fn each_bug_is_in_the_table() {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let table = fs::read_to_string(workspace.join("tests/planted/TABLE.md")).unwrap();
    let rows = table.lines().skip_while(|line| !line.starts_with("| ---")).skip(1);
    let listed: Vec<_> = rows.filter_map(|row| row.split('|').nth(1)).map(str::trim).collect();
    let bugs: Vec<_> = bugs(&workspace).unwrap().into_iter().map(|bug| bug.name).collect();
    assert_eq!(listed, bugs);
}
