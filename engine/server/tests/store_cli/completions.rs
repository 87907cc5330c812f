//! `completions`: what shells make of them.

use std::process::{Command, Output};

use crate::certificates::Directory;
use crate::process::{run, stderr, stdout};

fn bash(script: &str, file: &std::path::Path) -> Output {
    Command::new("bash").args(["--norc", "-c", script, "bash"]).arg(file).output().unwrap()
}

/// Needs `bash`, as every system for which the server is has.
#[test]
fn bash_accepts_them_and_completes_commands_and_options() {
    let directory = Directory::new("completions");
    let script = run(&["completions", "bash"]);
    assert_eq!((script.status.code(), stderr(&script)), (Some(0), ""));
    directory.write("mayfly.bash", stdout(&script));
    let file = directory.path("mayfly.bash");
    for (words, expected) in [
        ("mayfly st", "store"),
        ("mayfly store l", "lock"),
        ("mayfly store lock --no", "--no-wait"),
        ("mayfly store get --caf", "--cafile"),
    ] {
        // As bash calls it when the tabulator is pressed at the end of the words.
        let complete = format!(
            "set -e; source \"$1\"; complete -p mayfly >&2; COMP_WORDS=({words}); \
             COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); \
             _mayfly mayfly \"${{COMP_WORDS[COMP_CWORD]}}\" \"${{COMP_WORDS[COMP_CWORD-1]}}\"; \
             printf '%s\\n' \"${{COMPREPLY[@]}}\""
        );
        let completed = bash(&complete, &file);
        assert!(completed.status.success(), "{words}: {}", stderr(&completed));
        assert!(stderr(&completed).contains("-F _mayfly"), "{}", stderr(&completed));
        assert!(stdout(&completed).lines().any(|line| line == expected), "{words}: {}", stdout(&completed));
    }
}

#[test]
fn each_shell_has_some() {
    for (shell, mark) in [
        ("zsh", "#compdef mayfly"),
        ("fish", "complete -c mayfly"),
        ("elvish", "edit:"),
        ("powershell", "Register-"),
    ] {
        let script = run(&["completions", shell]);
        assert_eq!(script.status.code(), Some(0));
        assert!(stdout(&script).contains(mark), "{shell}");
    }
}
