//! The structure of `stomp-session`, as its README draws it: which folder imports which, read from the source. Arrows point
//! one way and no two files import each other, so that what a line may touch can be seen from where it stands.

mod imports;
mod names;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use imports::Crate;

/// Whom each folder imports. `client` is beyond the machine: it uses what the crate shows to everybody.
const ARROWS: [(&str, &[&str]); 5] = [
    ("failover", &["model"]),
    ("link", &["model", "replay"]),
    ("model", &[]),
    ("replay", &["model"]),
    ("session", &["failover", "link", "model", "replay"]),
];

type Imports<'a> = BTreeMap<&'a str, BTreeSet<&'a str>>;

fn stomp_session() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../stomp-session")
}

fn folder(file: &str) -> &str {
    file.split_once('/').map_or(file, |(folder, _)| folder)
}

/// The imports of the folders of the machine.
fn machine(of: &Crate) -> Imports<'_> {
    of.imports(&ARROWS.map(|(name, _)| name))
}

/// Imports from one folder into another, the crate's root among them: by the folders, with the files.
fn arrows<'a>(imports: &Imports<'a>) -> BTreeMap<(&'a str, &'a str), BTreeSet<(&'a str, &'a str)>> {
    let mut arrows: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
    for (from, others) in imports {
        for to in others.iter().filter(|to| folder(to) != folder(from)) {
            arrows.entry((folder(from), folder(to))).or_default().insert((*from, *to));
        }
    }
    arrows
}

/// The groups of files each of which imports all others of its group, directly or by way of others.
fn circles<'a>(imports: &Imports<'a>) -> BTreeSet<Vec<&'a str>> {
    let reached = |from: &'a str| {
        let mut reached = BTreeSet::new();
        let mut open = vec![from];
        while let Some(file) = open.pop() {
            let others = imports.get(file).into_iter().flatten();
            open.extend(others.filter(|other| reached.insert(**other)));
        }
        reached
    };
    let reached: BTreeMap<_, _> = imports.keys().map(|file| (*file, reached(file))).collect();
    let circle = |file: &&'a str| {
        let others = reached[file].iter().copied();
        others.filter(|other| reached.get(other).is_some_and(|back| back.contains(file))).collect::<Vec<_>>()
    };
    imports.keys().map(circle).filter(|circle| !circle.is_empty()).collect()
}

#[test]
fn imports_go_where_the_drawing_has_an_arrow_and_nowhere_else() {
    let of = Crate::read(&stomp_session().join("src")).unwrap();
    let imports = machine(&of);
    let found = arrows(&imports);
    let drawn: BTreeSet<_> =
        ARROWS.iter().flat_map(|(from, others)| others.iter().map(move |to| (*from, *to))).collect();
    let forbidden: Vec<_> = found.iter().filter(|(arrow, _)| !drawn.contains(*arrow)).collect();
    assert!(forbidden.is_empty(), "{forbidden:#?}");
    let unused: Vec<_> = drawn.iter().filter(|arrow| !found.contains_key(*arrow)).collect();
    assert!(unused.is_empty(), "nobody uses {unused:?}");
}

#[test]
fn no_two_files_import_each_other() {
    let of = Crate::read(&stomp_session().join("src")).unwrap();
    let folders: Vec<_> = of.folders().into_iter().collect();
    assert_eq!(circles(&of.imports(&folders)), BTreeSet::new());
}

#[test]
fn the_readme_draws_the_folders_that_there_are() {
    let readme = fs::read_to_string(stomp_session().join("README.md")).unwrap();
    let (_, structure) = readme.split_once("# Structure\n").expect("it shows the structure");
    let drawing = structure.split("```").nth(1).expect("it draws it");
    let names = drawing.split(|letter: char| letter.is_whitespace() || "│└┌┐┘├►─(),:;".contains(letter));
    let drawn: BTreeSet<_> = names.filter_map(|name| name.strip_suffix('/')).collect();
    let of = Crate::read(&stomp_session().join("src")).unwrap();
    assert_eq!(drawn, of.folders());
    let listed: BTreeSet<_> = ARROWS.iter().map(|(name, _)| *name).chain(["client"]).collect();
    assert_eq!(of.folders(), listed, "each folder has its arrows");
}

/// The reader sees what it must see.
#[test]
fn an_import_is_seen_however_it_is_written() {
    let rows = [
        "use crate::b::Thing;",
        "use crate::{c, b::{self}};",
        "pub(crate) use crate::{\n    c,\n    b::{\n        other::{Deep, Deeper as D},\n    },\n};",
        "use super::b::*;",
        "use super::super::b;",
        "fn f() { let x = 'x'; crate::b::call(\"x\") }",
        "impl<'a> From<&'a crate::b::Thing> for X {}",
        "#[cfg(feature = \"client\")]\nuse crate::b::Thing;",
    ];
    for row in rows {
        let at = if row.contains("super::super") { "a/deep.rs" } else { "a/mod.rs" };
        let of = Crate::of(&[(at, row), ("b/mod.rs", ""), ("c/mod.rs", ""), ("lib.rs", "mod a;\nmod b;")]);
        assert!(of.imports(&["a"])[at].contains("b/mod.rs"), "{row}: {:?}", of.imports(&["a"]));
    }
}

#[test]
fn what_is_no_import_is_not_taken_for_one() {
    let rows = [
        "mod b;",
        "pub mod c {}",
        "// use crate::b::Thing;",
        "/// See [`b`](crate::b).\nfn f() {}",
        "/* use crate::b; /* nested */ use crate::b; */",
        "const X: &str = \"use crate::b::Thing;\";",
        "const X: &str = r#\"use \"crate::b\"::Thing;\"#;",
        "const X: char = '\"'; use core::{fmt, mem}; const Y: char = '\"';",
        "#[cfg(test)]\nmod tests {\n    use crate::b::Thing;\n}",
        "#[cfg(test)]\n#[path = \"x_tests.rs\"]\nmod tests;",
        "#[cfg(test)]\nuse crate::{b};\nfn f() {}",
        "use other::b::Thing;",
        "use crate::{\n    a::Thing,\n};",
        "pub(super) fn f() {}",
        "pub(in crate::b) fn f() {}",
    ];
    for row in rows {
        let of = Crate::of(&[("a/mod.rs", row), ("b/mod.rs", ""), ("lib.rs", "mod a;\nmod b;")]);
        assert!(of.imports(&["a"])["a/mod.rs"].is_empty(), "{row}: {:?}", of.imports(&["a"]));
    }
}

#[test]
fn what_is_forbidden_is_found() {
    let of = Crate::of(&[
        ("lib.rs", "pub use session::Session;"),
        ("session/mod.rs", "mod life; use crate::link::Link; pub struct Session;"),
        ("session/life.rs", "use super::Session;"),
        ("link/mod.rs", "mod wire; mod receipts; pub use wire::Wire;"),
        ("link/wire.rs", "use super::receipts::Receipts;"),
        ("link/receipts.rs", "fn f(link: &super::Link, session: &crate::Session) {}"),
    ]);
    let imports = machine(&of);
    let found = arrows(&imports);
    assert_eq!(found.keys().copied().collect::<Vec<_>>(), [("link", "lib.rs"), ("session", "link")]);
    let circle = vec!["link/mod.rs", "link/receipts.rs", "link/wire.rs"];
    assert_eq!(circles(&imports), [circle].into());
}
