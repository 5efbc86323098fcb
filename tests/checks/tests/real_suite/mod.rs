//! How the suite over real brokers is run: by which arguments, in which processes, and what comes of it.

pub(crate) mod child;
pub(crate) mod parent;
pub(crate) mod programs;
pub(crate) mod record;
pub(crate) mod table;
pub(crate) mod tool;
pub(crate) mod watchdog;

use std::path::PathBuf;

use stomp_testkit::real::{self, Description};

/// How many brokers are tried at a time, unless it is said. Half of a case is waiting, and half of it keeps a core busy.
const AT_ONCE: usize = 2;

/// What to run.
pub(crate) struct Arguments {
    /// The brokers, in the order in which they begin.
    pub(crate) brokers: Vec<&'static Description>,
    /// Parts of titles: a case runs when its own has them all.
    pub(crate) parts: Vec<String>,
    /// How many brokers are tried at a time.
    pub(crate) at_once: usize,
    /// What a child of the suite is to do.
    pub(crate) child: Option<Child>,
}

/// The work of one process.
pub(crate) struct Child {
    /// The broker.
    pub(crate) broker: &'static Description,
    /// The file for what came of its cases.
    pub(crate) records: PathBuf,
    /// The directory with the programs that cases run.
    pub(crate) programs: PathBuf,
}

/// What the parent tells its children in this order, behind the argument `--child`: broker, records, programs.
pub(crate) const CHILD: &str = "--child";

impl Arguments {
    /// Reads the arguments of the process.
    pub(crate) fn read(mut given: impl Iterator<Item = String>) -> Result<Self, String> {
        let (mut all, mut named, mut child) = (false, Vec::new(), None);
        let (mut parts, mut at_once, mut without) = (Vec::new(), AT_ONCE, String::new());
        while let Some(argument) = given.next() {
            let mut value = || given.next().ok_or_else(|| format!("{argument} needs more than that"));
            match &*argument {
                "--all" => all = true,
                "--without" => without = value()?,
                "--at-once" => at_once = value()?.parse().map_err(|error| format!("--at-once: {error}"))?,
                CHILD => {
                    let broker = find(&value()?).ok_or("no such broker")?;
                    child = Some(Child { broker, records: value()?.into(), programs: value()?.into() });
                }
                option if option.starts_with('-') => return Err(format!("unknown argument {option}")),
                _ => match find(&argument) {
                    Some(broker) => named.push(broker),
                    None => parts.push(argument),
                },
            }
        }
        let by_default = real::ALL.into_iter().filter(|description| all || description.by_default);
        let mut brokers: Vec<_> = if named.is_empty() { by_default.collect() } else { named };
        brokers.retain(|description| !without.split(", ").any(|name| name == description.name));
        Ok(Self { brokers, parts, at_once: at_once.max(1), child })
    }
}

/// Whether a case is to run: its title has all the parts.
pub(crate) fn is_wanted(broker: &str, variant: &str, case: &str, parts: &[String]) -> bool {
    let title = format!("{broker} {variant}: {case}");
    parts.iter().all(|part| title.contains(part))
}

fn find(name: &str) -> Option<&'static Description> {
    real::ALL.into_iter().find(|description| description.name == name)
}
