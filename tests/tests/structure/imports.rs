//! Who imports whom, read from the source of a crate.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    path::Path,
};

/// The path of a module in its crate.
type Module = Vec<String>;

/// The files of a crate, by their names below its `src`.
#[derive(Debug, Default)]
pub(crate) struct Crate {
    files: BTreeMap<String, String>,
}

impl Crate {
    /// Reads all files below `src`.
    pub(crate) fn read(src: &Path) -> io::Result<Self> {
        let mut files = BTreeMap::new();
        let mut folders = vec![src.to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder)? {
                let path = entry?.path();
                if path.is_dir() {
                    folders.push(path);
                } else if path.extension().is_some_and(|ending| ending == "rs") {
                    let name = path.strip_prefix(src).expect("it is below");
                    files.insert(name.to_string_lossy().replace('\\', "/"), fs::read_to_string(&path)?);
                }
            }
        }
        Ok(Self { files })
    }

    pub(crate) fn of(files: &[(&str, &str)]) -> Self {
        let owned = |(name, text): &(&str, &str)| ((*name).to_owned(), (*text).to_owned());
        Self { files: files.iter().map(owned).collect() }
    }

    /// Its files.
    pub(crate) fn files(&self) -> impl Iterator<Item = &str> {
        self.files.keys().map(String::as_str)
    }

    /// The folders at the top.
    pub(crate) fn folders(&self) -> BTreeSet<&str> {
        self.files.keys().filter_map(|name| Some(name.split_once('/')?.0)).collect()
    }

    /// What each file of those folders imports of the others: by `use`, or by a path in its code. What is compiled for tests
    /// alone does not count, nor does a declaration of a module.
    pub(crate) fn imports(&self, folders: &[&str]) -> BTreeMap<&str, BTreeSet<&str>> {
        // Files that are only there for tests are brought in by `#[path]`.
        let files = self.files.iter().filter(|(name, _)| !name.ends_with("_tests.rs"));
        let modules: BTreeMap<_, _> = files.clone().map(|(name, _)| (module(name), &**name)).collect();
        let within = |name: &str| name.split_once('/').is_some_and(|(folder, _)| folders.contains(&folder));
        let imports = files.filter(|(name, _)| within(name)).map(|(name, text)| {
            let module = module(name);
            let paths = paths(&without_tests(&words(text)));
            let found = paths.iter().filter_map(|path| resolve(path, &module, &modules));
            (&**name, found.filter(|other| *other != name).collect())
        });
        imports.collect()
    }
}

/// The module that a file is.
fn module(file: &str) -> Module {
    let name = file.strip_suffix(".rs").unwrap_or(file);
    let name = if name == "lib" { "" } else { name.strip_suffix("/mod").unwrap_or(name) };
    name.split('/').filter(|part| !part.is_empty()).map(str::to_owned).collect()
}

/// The file in which a path ends that begins in `module`; `None` for one of another crate, or of a name that was imported.
fn resolve<'a>(path: &[String], module: &[String], modules: &BTreeMap<Module, &'a str>) -> Option<&'a str> {
    let mut at = module.to_vec();
    let mut rest = path;
    match &*path[0] {
        "crate" => (at, rest) = (Module::new(), &path[1..]),
        "self" => rest = &path[1..],
        "super" => {
            while let [first, others @ ..] = rest
                && first == "super"
            {
                at.pop().expect("a module has a parent");
                rest = others;
            }
        }
        child => {
            let is_child = modules.contains_key(&[module, &[child.to_owned()]].concat());
            is_child.then_some(())?;
        }
    }
    for part in rest {
        at.push(part.clone());
        if !modules.contains_key(&at) {
            at.pop();
            break;
        }
    }
    modules.get(&at).copied()
}

/// The words and signs of a source text, "::" as one, without comments, literals and lifetimes.
pub(crate) fn words(text: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let length = match first {
            _ if rest.starts_with("//") => rest.find('\n').unwrap_or(rest.len()),
            _ if rest.starts_with("/*") => block_comment(rest),
            '"' => string(rest),
            '\'' => quote(rest),
            _ if is_raw(rest) => raw_string(rest),
            _ if first.is_alphanumeric() || first == '_' => {
                let end = rest.find(|letter: char| !letter.is_alphanumeric() && letter != '_');
                words.push(rest[..end.unwrap_or(rest.len())].to_owned());
                end.unwrap_or(rest.len())
            }
            _ if rest.starts_with("::") => {
                words.push("::".to_owned());
                2
            }
            _ => {
                words.extend((!first.is_whitespace()).then(|| first.to_string()));
                first.len_utf8()
            }
        };
        rest = &rest[length..];
    }
    words
}

/// The length of a block comment; they may be nested.
fn block_comment(text: &str) -> usize {
    let mut depth = 0;
    for (at, _) in text.char_indices() {
        if text[at..].starts_with("/*") {
            depth += 1;
        } else if text[at..].starts_with("*/") {
            depth -= 1;
            if depth == 0 {
                return at + 2;
            }
        }
    }
    text.len()
}

/// The length of what stands between two quotes, a backslash hiding the letter behind it.
fn string(text: &str) -> usize {
    let mut letters = text.char_indices().skip(1);
    while let Some((at, letter)) = letters.next() {
        match letter {
            '\\' => _ = letters.next(),
            '"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// The length of a character, or the quote of a lifetime.
fn quote(text: &str) -> usize {
    let mut letters = text.char_indices().skip(1);
    match (letters.next(), letters.next()) {
        (Some((_, '\\')), Some((escaped, _))) => {
            text[escaped + 1..].find('\'').map_or(text.len(), |at| escaped + 1 + at + 1)
        }
        (Some(_), Some((at, '\''))) => at + 1,
        _ => 1,
    }
}

fn is_raw(text: &str) -> bool {
    let rest = text.strip_prefix("br").or_else(|| text.strip_prefix('r'));
    rest.is_some_and(|rest| rest.starts_with('"') || rest.starts_with("#\"") || rest.starts_with("##"))
}

fn raw_string(text: &str) -> usize {
    let start = text.find('"').unwrap_or(text.len());
    let end = ["\"", &"#".repeat(text[..start].matches('#').count())].concat();
    let body = text.get(start + 1..).unwrap_or_default();
    body.find(&end).map_or(text.len(), |at| start + 1 + at + end.len())
}

/// Leaves out the items that are compiled for tests alone.
pub(crate) fn without_tests(words: &[String]) -> Vec<String> {
    let marks = ["#", "[", "cfg", "(", "test", ")", "]"];
    let mut kept = Vec::new();
    let mut rest = words;
    while let Some(first) = rest.first() {
        if rest.len() > marks.len() && rest.iter().zip(marks).all(|(word, mark)| word == mark) {
            rest = &rest[marks.len()..];
            rest = &rest[item(rest)..];
        } else {
            kept.push(first.clone());
            rest = &rest[1..];
        }
    }
    kept
}

/// The length of an item, other attributes included: it ends with a ';', or with the braces of its body.
fn item(words: &[String]) -> usize {
    let mut depth = 0;
    let is_use = words.iter().take_while(|word| *word != "{" && *word != ";").any(|word| word == "use");
    for (at, word) in words.iter().enumerate() {
        match &**word {
            "{" | "(" | "[" => depth += 1,
            "}" | ")" | "]" => depth -= 1,
            _ => {}
        }
        if depth == 0 && (word == ";" || (word == "}" && !is_use)) {
            return at + 1;
        }
    }
    words.len()
}

/// All paths: those of the `use` statements, each name by itself, and those in the code.
fn paths(words: &[String]) -> Vec<Vec<String>> {
    let mut paths = Vec::new();
    let mut at = 0;
    while let Some(word) = words.get(at) {
        let next = words.get(at + 1).map(String::as_str);
        // `pub(in crate::…)` says who may look, and imports nothing.
        if word == "(" && next == Some("in") {
            at += words[at..].iter().position(|word| word == ")").unwrap_or(1);
            continue;
        }
        // One without a body has a documentation alone.
        let is_empty = words.get(at + 3).is_some_and(|brace| brace == "}");
        assert!(
            !(word == "mod" && words.get(at + 2).is_some_and(|brace| brace == "{")) || is_empty,
            "a module inside of a file is not read: {next:?}"
        );
        if word == "use" && next != Some("<") {
            at = tree(words, at + 1, &[], &mut paths);
        } else if is_name(word) && next == Some("::") {
            let mut path = vec![word.clone()];
            at += 1;
            while words.get(at).is_some_and(|word| word == "::")
                && let Some(name) = words.get(at + 1).filter(|name| is_name(name))
            {
                path.push(name.clone());
                at += 2;
            }
            paths.push(path);
        } else {
            at += 1;
        }
    }
    paths
}

fn is_name(word: &str) -> bool {
    word.starts_with(|letter: char| letter.is_alphabetic() || letter == '_')
}

/// One branch of a `use`: adds its names. Where it ends.
fn tree(words: &[String], mut at: usize, prefix: &[String], paths: &mut Vec<Vec<String>>) -> usize {
    let mut path = prefix.to_vec();
    // An empty branch stands behind the last ','.
    let mut names_something = false;
    while let Some(word) = words.get(at) {
        match &**word {
            "{" => {
                names_something = false;
                while words.get(at).is_some_and(|word| word == "{" || word == ",") {
                    at = tree(words, at + 1, &path, paths);
                }
            }
            "," | "}" | ";" => break,
            "as" => at += 1,
            // `{self, …}` means the module itself.
            "self" if !path.is_empty() => names_something = true,
            "*" => names_something = true,
            word if is_name(word) => {
                names_something = true;
                path.push(word.to_owned());
            }
            _ => {}
        }
        at += 1;
    }
    paths.extend(names_something.then_some(path));
    at
}
