//! `stomp completions` and `stomp man`, which are made of what clap knows.

use std::{fs, path::PathBuf};

use clap::{Args, Command};
use clap_complete::Shell;

use crate::{
    exit::{Failure, Outcome},
    run::Run,
};

/// Print the completions for a shell
#[derive(Args)]
pub(crate) struct Completions {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

impl Completions {
    pub(crate) async fn run(self, run: &Run, mut command: Command) -> Result<Outcome, Failure> {
        let mut text = Vec::new();
        clap_complete::generate(self.shell, &mut command, "stomp", &mut text);
        run.output.print(&text).await.map(|_| Outcome::silent())
    }
}

/// Print the manual page
#[derive(Args)]
pub(crate) struct Man {
    /// Write a page for each command to this directory
    #[arg(long, value_name = "DIR")]
    to_dir: Option<PathBuf>,
}

impl Man {
    pub(crate) async fn run(self, run: &Run, command: Command) -> Result<Outcome, Failure> {
        if let Some(directory) = self.to_dir {
            fs::create_dir_all(&directory)
                .and_then(|()| clap_mangen::generate_to(command, &directory))
                .map_err(|error| Failure::io(directory.display(), &error))?;
            return Ok(Outcome::silent());
        }
        let mut page = Vec::new();
        clap_mangen::Man::new(command).render(&mut page).map_err(|error| Failure::io("man", &error))?;
        run.output.print(&page).await.map(|_| Outcome::silent())
    }
}
