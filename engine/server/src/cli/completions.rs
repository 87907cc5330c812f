//! `mayfly completions`: scripts for shells, made from the command line itself.

use clap::{Args, CommandFactory};
use clap_complete::{Shell, generate};

use super::output::write;
use super::{Cli, Outcome};

#[derive(Debug, Args)]
#[command(after_help = "bash: source <(mayfly completions bash), in ~/.bashrc for example\n\
                        zsh:  mayfly completions zsh > a folder of $fpath/_mayfly\n\
                        fish: mayfly completions fish > ~/.config/fish/completions/mayfly.fish")]
pub(crate) struct Completions {
    /// The shell.
    shell: Shell,
}

impl Completions {
    pub(crate) fn run(self) -> anyhow::Result<Outcome> {
        let mut script = Vec::new();
        generate(self.shell, &mut Cli::command(), "mayfly", &mut script);
        let _ = write(&script)?;
        Ok(Outcome::Done)
    }
}
