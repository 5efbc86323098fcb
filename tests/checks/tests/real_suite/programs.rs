//! The examples, built once for all brokers and run against each.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

/// The packages whose examples are run. They have the same names in both.
pub(crate) const PACKAGES: [&str; 2] = ["stomp-tokio", "stomp-smol"];
/// What they are built with: the first one has the tool.
const FEATURES: [&str; 2] = ["cli,websocket", "websocket"];

/// The cases that run them.
pub(crate) const PIPELINE: &str = "the pipeline";
pub(crate) const SMALL: &str = "the small examples";
pub(crate) const OVER_WEB_SOCKET: &str = "over WebSocket: the pipeline";

const PROGRAMS: [&str; 4] = ["pipeline", "producer", "transformer", "consumer"];

/// How long a program may take.
pub(super) const LIMIT_SECONDS: &str = "180";

/// Builds the examples and the tool in the way in which the suite was built, and puts those of each package below a
/// directory of its own.
pub(crate) fn build(target: &Path, into: &Path) -> io::Result<()> {
    let (profile, built) = if cfg!(debug_assertions) { ("dev", "debug") } else { ("release", "release") };
    let built = target.join(built);
    for (package, features) in PACKAGES.into_iter().zip(FEATURES) {
        let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        cargo.args(["build", "-q", "--profile", profile, "-p", package, "--features", features, "--bins"]);
        cargo.args(PROGRAMS.iter().flat_map(|program| ["--example", program]));
        if !cargo.status()?.success() {
            return Err(io::Error::other(format!("the examples of {package} cannot be built")));
        }
        let directory = into.join(package);
        fs::create_dir_all(&directory)?;
        for program in PROGRAMS {
            fs::copy(built.join("examples").join(program), directory.join(program))?;
        }
    }
    fs::copy(built.join("stomp"), into.join("stomp-tokio/stomp")).map(drop)
}

/// The main job as its user runs it.
pub(crate) fn pipeline(programs: &Path, uri: &str) {
    let printed = output(programs, "pipeline", uri);
    let expected = "pipeline: 10 produced, 10 transformed, 10 consumed, 0 failed";
    assert_eq!(printed.lines().last(), Some(expected));
}

/// The small examples: the transformer works until it is interrupted.
pub(crate) fn small_examples(programs: &Path, uri: &str) {
    assert_eq!(output(programs, "producer", uri), "10 sent\n");
    let transformer =
        command(programs, "transformer", uri).stdout(Stdio::piped()).spawn().expect("it is built");
    let consumed = command(programs, "consumer", uri).output().expect("it is built");
    interrupt(&transformer);
    let transformed = transformer.wait_with_output().expect("it ends");
    assert!(consumed.status.success(), "consumer: {}", String::from_utf8_lossy(&consumed.stderr));
    assert!(transformed.status.success(), "the transformer ends well when it is interrupted");
    assert_eq!(String::from_utf8_lossy(&transformed.stdout), "10 transformed, 0 failed\n");
    let expected: String = (1..=10).map(|count| format!("{{\\\"count\\\":{count}}}\n")).collect();
    assert_eq!(String::from_utf8_lossy(&consumed.stdout), expected);
}

/// As Ctrl-C does.
fn interrupt(process: &Child) {
    let killed = Command::new("kill").args(["-INT", &process.id().to_string()]).status();
    assert!(killed.expect("kill runs").success(), "the process has ended by itself");
}

/// What a program prints that ends well.
fn output(programs: &Path, name: &str, uri: &str) -> String {
    let output = command(programs, name, uri).output().expect("it is built");
    let said = String::from_utf8_lossy(&output.stderr);
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{name}: {printed}{said}");
    printed
}

/// A program takes signals as it would alone, and is killed if it takes far too long.
fn command(programs: &Path, name: &str, uri: &str) -> Command {
    let program: PathBuf = programs.join(name);
    let mut command = Command::new("timeout");
    command.args(["--foreground", "--kill-after=10", LIMIT_SECONDS]).arg(program).arg(uri);
    command
}
