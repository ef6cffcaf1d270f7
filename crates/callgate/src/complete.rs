//! Shell completions and manual pages, from the command line's own definition. Must never need a configuration.

use std::path::Path;

use clap::CommandFactory as _;
use clap_complete::Shell;
use clap_mangen::Man;

use crate::cli::Cli;
use crate::exit::{CANNOT_CREATE, Failure, INTERNAL, OK, note, put};

/// `callgate completions SHELL`: the script, on standard output.
pub(crate) fn completions(shell: Shell) -> Result<u8, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "callgate", &mut script);
    put(text(script)?.trim_end());
    Ok(OK)
}

/// `callgate man`: the page of the program, or with a directory the pages of every command, one file each.
pub(crate) fn man(directory: Option<&Path>) -> Result<u8, Failure> {
    let Some(directory) = directory else {
        let mut page = Vec::new();
        let rendered = Man::new(Cli::command()).render(&mut page);
        rendered.map_err(|error| Failure::new(INTERNAL, format!("cannot write the page: {error}")))?;
        put(text(page)?.trim_end());
        return Ok(OK);
    };
    let cannot = |error: std::io::Error| {
        let fix = "give a directory that can be written to";
        Failure::new(
            CANNOT_CREATE,
            format!("cannot write manual pages to `{}`: {error}; {fix}", directory.display()),
        )
    };
    std::fs::create_dir_all(directory).map_err(cannot)?;
    clap_mangen::generate_to(Cli::command(), directory).map_err(cannot)?;
    note(&format!("manual pages are in {0}; `man -l {0}/callgate.1` shows the first", directory.display()));
    Ok(OK)
}

fn text(bytes: Vec<u8>) -> Result<String, Failure> {
    String::from_utf8(bytes).map_err(|_| Failure::new(INTERNAL, "what was generated is not text"))
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum as _;

    use super::*;

    /// Every command below `command`, as typed, but hidden ones.
    fn commands(command: &clap::Command, above: &str) -> Vec<String> {
        let mut all = Vec::new();
        for below in command.get_subcommands().filter(|below| !below.is_hide_set()) {
            let name = format!("{above} {}", below.get_name());
            all.extend(commands(below, &name));
            all.push(name);
        }
        all
    }

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_shell_has_a_script_that_knows_every_command() {
        for shell in Shell::value_variants() {
            let mut script = Vec::new();
            clap_complete::generate(*shell, &mut Cli::command(), "callgate", &mut script);
            let script = text(script).unwrap();
            for command in commands(&Cli::command(), "callgate") {
                let word = command.rsplit(' ').next().unwrap();
                assert!(script.contains(word), "{shell}: {command}");
            }
        }
    }

    #[test]
    fn every_command_has_a_page() {
        let directory = std::env::temp_dir().join(format!("callgate-man-{}", std::process::id()));
        man(Some(&directory)).unwrap();
        for command in commands(&Cli::command(), "callgate") {
            let page = directory.join(format!("{}.1", command.replace(' ', "-")));
            let page = std::fs::read_to_string(&page).unwrap_or_else(|error| panic!("{command}: {error}"));
            assert!(page.contains(".SH NAME"), "{command}");
        }
        std::fs::remove_dir_all(&directory).unwrap();
    }
}
