//! What a public signature names can be named by whoever uses an adapter, and what can be set has a method of the builder.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use crate::imports::{Crate, without_tests, words};

/// What the standard library, bytes and the futures' traits bring, and the names of associated types.
const FOREIGN: &str = "Arc AsRef AsyncFn AsyncRead AsyncWrite AtomicBool BTreeMap Box ClientConfig Clone Context Copy Cow Debug \
    Default Deref Deserialize Display Drop Duration Eq Err Error ErrorKind Fn FnMut FnOnce From FromStr Future Hash Infallible Into IntoFuture \
    IntoIterator Item Iterator Ok Option Ord Output PartialEq PartialOrd PhantomData Pin Poll Result Self Send Serialize Sized Some Stream \
    String Sync Target TryFrom TryInto Unpin Utf8Error Vec";

/// A trait that nobody else is to implement, and what is seen by it alone: without a name that is sure.
const SEALED: [&str; 2] = ["Arrival", "Arrived"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn source(file: &str) -> Vec<String> {
    let text = fs::read_to_string(root().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"));
    without_attributes(&without_tests(&words(&text)))
}

fn without_attributes(words: &[String]) -> Vec<String> {
    let (mut kept, mut at) = (Vec::new(), 0);
    while at < words.len() {
        let bracket = words[at..].iter().take(3).position(|word| word == "[").filter(|_| words[at] == "#");
        match bracket {
            Some(bracket) => at = behind(words, at + bracket),
            None => {
                kept.push(words[at].clone());
                at += 1;
            }
        }
    }
    kept
}

/// Where the bracket that opens there has been closed.
fn behind(words: &[String], open: usize) -> usize {
    let mut depth = 0_usize;
    for (at, word) in words.iter().enumerate().skip(open) {
        match &**word {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return at + 1;
        }
    }
    words.len()
}

fn is_type(word: &str) -> bool {
    word.len() > 1
        && word.starts_with(|letter: char| letter.is_ascii_uppercase())
        && word.chars().any(char::is_lowercase)
}

/// The types that the `pub use` of these files name.
fn exported(files: &[&str]) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for file in files {
        let words = source(file);
        for (at, _) in words.windows(2).enumerate().filter(|(_, pair)| pair[0] == "pub" && pair[1] == "use") {
            let item = words[at..].iter().take_while(|word| *word != ";");
            names.extend(item.filter(|word| is_type(word)).cloned());
        }
    }
    names
}

/// What stands behind a `pub` and says what the item is like: the head of a function, the type of a field, an enum or a
/// trait with all that is in it.
fn signature(words: &[String]) -> &[String] {
    let until = |ends: &[&str]| words.iter().position(|word| ends.contains(&&**word)).unwrap_or(words.len());
    match &*words[0] {
        "(" | "use" | "mod" => &[],
        "enum" | "trait" => &words[..behind(words, until(&["{"]))],
        "fn" | "const" | "async" => &words[..until(&["{", ";"])],
        "struct" => &words[..until(&["{", ";", "("])],
        _ => &words[..field(words)],
    }
}

/// Where a field ends.
fn field(words: &[String]) -> usize {
    let mut depth = 0_i32;
    for (at, word) in words.iter().enumerate() {
        match &**word {
            "(" | "[" | "<" => depth += 1,
            ")" | "]" | ">" => depth -= 1,
            "," | "}" if depth <= 0 => return at,
            _ => {}
        }
    }
    words.len()
}

/// The types that stand in the public signatures of a file, and the associated types that it says.
fn named(words: &[String]) -> BTreeSet<String> {
    let (mut names, mut depth) = (BTreeSet::new(), 0_i32);
    for (at, word) in words.iter().enumerate() {
        depth += i32::from(word == "{") - i32::from(word == "}");
        let item = match &**word {
            "pub" if at + 1 < words.len() => signature(&words[at + 1..]),
            // One that stands apart is a private alias.
            "type" if depth > 0 => {
                &words[at..at + words[at..].iter().position(|word| word == ";").unwrap_or_default()]
            }
            _ => continue,
        };
        let variants = item.first().is_some_and(|word| word == "enum");
        for pair in item.windows(2) {
            let is_variant = variants && matches!(&*pair[0], "{" | "," | "}");
            let is_defined = matches!(&*pair[0], "enum" | "struct" | "trait");
            if is_type(&pair[1]) && !is_variant && !is_defined {
                names.insert(pair[1].clone());
            }
        }
    }
    names
}

/// The types of a module that is public itself.
fn defined(file: &str) -> BTreeSet<String> {
    let words = source(file);
    let defines = |pair: &&[String]| matches!(&*pair[0], "struct" | "enum" | "trait");
    words.windows(2).filter(defines).map(|pair| pair[1].clone()).collect()
}

#[test]
fn whatever_a_signature_names_can_be_named() {
    let session = Crate::read(&root().join("stomp-session/src")).unwrap();
    for adapter in ["stomp-tokio", "stomp-smol"] {
        let [lib, blocking] = ["lib", "blocking"].map(|file| format!("{adapter}/src/{file}.rs"));
        let client = ["stomp-session/src/client/mod.rs", "stomp-session/src/client/futures.rs"];
        let mut exported = exported(&[&lib, &blocking, client[0], client[1]]);
        if source(&lib).iter().any(|word| word == "rabbitmq") {
            exported.extend(defined("stomp-session/src/model/rabbitmq.rs"));
        }
        let mut missing = BTreeSet::new();
        for file in session
            .files()
            .filter(|file| ["client/", "model/", "failover/"].iter().any(|it| file.starts_with(it)))
        {
            let words = source(&format!("stomp-session/src/{file}"));
            let defines = |pair: &[String]| {
                matches!(&*pair[0], "struct" | "enum" | "trait") && exported.contains(&pair[1])
            };
            if words.windows(2).any(defines) {
                missing.extend(named(&words).into_iter().map(|name| (name, file.to_owned())));
            }
        }
        assert!(missing.len() > 100, "signatures are read");
        let known = |name: &str| {
            exported.contains(name)
                || FOREIGN.split_whitespace().any(|it| it == name)
                || SEALED.contains(&name)
        };
        missing.retain(|(name, _)| !known(name));
        assert!(missing.is_empty(), "{adapter}: {missing:#?}");
    }
}

#[test]
fn whatever_can_be_set_has_a_method_of_the_builder() {
    let fields = |file: &str, structure: &str, public: &str| -> BTreeSet<String> {
        let words = source(file);
        let start = words.windows(2).position(|pair| pair == ["struct", structure]).expect("it is there");
        let body = &words[start..behind(&words, start + 2)];
        let fields =
            body.windows(3).filter(|found| found[2] == ":" && (found[0] == public || found[0] == ")"));
        fields.map(|found| found[1].clone()).collect()
    };
    let mut knobs = fields("stomp-session/src/model/config.rs", "Config", "pub");
    knobs.extend(fields("stomp-session/src/client/settings.rs", "Settings", ")"));
    assert!(knobs.len() > 30, "{knobs:?}");
    let builder = source("stomp-session/src/client/builder.rs");
    let methods: BTreeSet<_> =
        builder.windows(2).filter(|pair| pair[0] == "fn").map(|pair| &*pair[1]).collect();
    // Said by another name, or drawn from the runtime.
    let elsewhere = |name: &str| match name {
        "brokers" => "builder",
        "receive_beat" | "send_beat" => "heart_beats",
        "identity" | "seed" => "build_on",
        _ => "",
    };
    let missing: Vec<_> = knobs
        .iter()
        .filter(|name| !methods.contains(&***name) && !methods.contains(elsewhere(name)))
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
}

/// The reader sees what it must see.
#[test]
fn a_signature_is_read_whatever_it_looks_like() {
    let rows = [
        ("pub fn f(&self) -> Option<&Found> { Hidden }", "Found Option"),
        ("pub a: Found,", "Found"),
        ("type Hidden = Other;", ""),
        ("pub const fn f(found: Found) -> u8 { 1 }", "Found"),
        ("pub(crate) fn f(hidden: Hidden);", ""),
        ("#[derive(Hidden)] pub struct Found { hidden: Hidden, pub a: Vec<Other>, }", "Other Vec"),
        ("pub enum Found { Variant(Other), Second { third: Third }, Fourth }", "Other Third"),
        ("pub trait Found { fn f() -> Other; }", "Other"),
        ("impl IntoFuture for X { type IntoFuture = Found; }", "Found IntoFuture"),
        ("pub use a::Hidden;", ""),
    ];
    for (text, expected) in rows {
        let found = named(&without_attributes(&words(text)));
        assert_eq!(found, expected.split_whitespace().map(str::to_owned).collect(), "{text}");
    }
}
