//! The planted bugs can all be planted: sources move, and an edit that fits no more tests nothing.

use std::path::Path;

use stomp_testkit::planted::bugs;

#[test]
fn each_bug_fits_exactly_once() {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let bugs = bugs(&workspace).unwrap();
    let misfits: Vec<_> =
        bugs.iter().filter_map(|bug| Some((&bug.name, bug.check(&workspace).err()?))).collect();
    assert!(misfits.is_empty(), "{misfits:#?}");
    assert!(bugs.len() >= 40, "only {} bugs", bugs.len());
}
