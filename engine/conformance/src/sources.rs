//! The tests of the workspace, found by reading its sources as tokens: a comment or a string is never a test.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use proc_macro2::{Delimiter, TokenStream, TokenTree};
use serde::Deserialize;

use crate::exchange::{ExchangeFile, read_exchanges};
use crate::{FileError, folder, read_toml, workspace};

/// The package whose exchanges are tests.
const EXCHANGES: &str = "mayfly-conformance::exchanges::";

/// What is known of one test.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Test {
    /// Whether `cargo test` leaves it out.
    pub ignored: bool,
    /// Its body without white space.
    body: String,
}

impl Test {
    /// Whether this text stands in the test's body, whatever the white space.
    pub fn contains(&self, text: &str) -> bool {
        self.body.contains(&without_white_space(text))
    }
}

/// What runs a test: a target of a package, and the test's name in it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Target {
    /// The package.
    pub package: String,
    /// The integration test; `None` for the library's own tests.
    pub test: Option<String>,
}

/// Why a path names no test.
#[derive(Debug, thiserror::Error)]
pub enum FindError {
    /// Not of the form `package::target::module::function`.
    #[error("`{0}` is no path of a test: write package::target::module::function")]
    Path(String),
    /// The workspace has no such package.
    #[error("there is no package `{0}` in the workspace")]
    Package(String),
    /// None of the places where the function could be is a file.
    #[error("`{0}` names no file of tests")]
    File(String),
    /// The file has no such test.
    #[error("{} has no test `{function}`", file.display())]
    Function {
        /// The file that was read.
        file: PathBuf,
        /// What was looked for in it.
        function: String,
    },
    /// A file could not be read.
    #[error(transparent)]
    Read(#[from] FileError),
}

/// The workspace's packages and the files that were read so far.
#[derive(Debug)]
pub struct Sources {
    packages: BTreeMap<String, PathBuf>,
    exchanges: Vec<ExchangeFile>,
    files: BTreeMap<PathBuf, BTreeMap<String, Test>>,
}

#[derive(Deserialize)]
struct WorkspaceManifest {
    workspace: Members,
}

#[derive(Deserialize)]
struct Members {
    members: Vec<PathBuf>,
}

#[derive(Deserialize)]
struct Manifest {
    package: Package,
}

#[derive(Deserialize)]
struct Package {
    name: String,
}

impl Sources {
    /// The packages of this workspace, and its exchanges.
    pub fn read() -> Result<Self, FileError> {
        let root = workspace();
        let manifest: WorkspaceManifest = read_toml(&root.join("Cargo.toml"))?;
        let mut packages = BTreeMap::new();
        for member in manifest.workspace.members {
            let path = root.join(member);
            let manifest: Manifest = read_toml(&path.join("Cargo.toml"))?;
            packages.insert(manifest.package.name, path);
        }
        let exchanges = read_exchanges(&folder().join("exchanges"))?;
        Ok(Self { packages, exchanges, files: BTreeMap::new() })
    }

    /// The test of this path. A path is what `cargo test` calls it, after its package and, for an integration test, its
    /// target.
    pub fn find(&mut self, path: &str) -> Result<Test, FindError> {
        if let Some(rest) = path.strip_prefix(EXCHANGES) {
            return self.find_exchange(path, rest);
        }
        let parts: Vec<_> = path.split("::").collect();
        let [package, modules @ .., function] = parts.as_slice() else {
            return Err(FindError::Path(path.to_owned()));
        };
        let folder = self.packages.get(*package).ok_or_else(|| FindError::Package((*package).to_owned()))?;
        let file = file_of(folder, modules).ok_or_else(|| FindError::File(path.to_owned()))?;
        if !self.files.contains_key(&file) {
            let text = std::fs::read_to_string(&file).map_err(|error| FileError::new(&file, &error))?;
            let tests = tests_of(&text).map_err(|error| FileError::new(&file, &error))?;
            self.files.insert(file.clone(), tests);
        }
        self.files[&file]
            .get(*function)
            .cloned()
            .ok_or_else(|| FindError::Function { file, function: (*function).to_owned() })
    }

    /// The target that runs the test of this path, and the test's name there.
    pub fn target(&self, path: &str) -> Result<(Target, String), FindError> {
        let (package, rest) = path.split_once("::").ok_or_else(|| FindError::Path(path.to_owned()))?;
        let folder = self.packages.get(package).ok_or_else(|| FindError::Package(package.to_owned()))?;
        let package = package.to_owned();
        let tests = folder.join("tests");
        match rest.split_once("::") {
            Some((test, name))
                if tests.join(test).with_extension("rs").is_file()
                    || tests.join(test).join("main.rs").is_file() =>
            {
                Ok((Target { package, test: Some(test.to_owned()) }, name.to_owned()))
            }
            _ => Ok((Target { package, test: None }, rest.to_owned())),
        }
    }

    fn find_exchange(&self, path: &str, rest: &str) -> Result<Test, FindError> {
        let (file, name) = rest.split_once("::").ok_or_else(|| FindError::Path(path.to_owned()))?;
        let file = self.exchanges.iter().find(|found| found.name == file);
        let file = file.ok_or_else(|| FindError::File(path.to_owned()))?;
        let exchange = file
            .exchanges
            .iter()
            .find(|exchange| exchange.name == name)
            .ok_or_else(|| FindError::Function { file: file.path.clone(), function: name.to_owned() })?;
        Ok(Test { ignored: exchange.pending.is_some(), body: without_white_space(&exchange.steps) })
    }
}

/// The file that the modules of a path lead to: an integration test's target and its modules, or the library's.
fn file_of(folder: &Path, modules: &[&str]) -> Option<PathBuf> {
    let joined: PathBuf = modules.iter().collect();
    let mut candidates = vec![
        folder.join("tests").join(&joined).with_extension("rs"),
        folder.join("tests").join(&joined).join("main.rs"),
        folder.join("tests").join(&joined).join("mod.rs"),
        folder.join("src").join(&joined).with_extension("rs"),
        folder.join("src").join(&joined).join("mod.rs"),
    ];
    // `mod tests` at the end of a file.
    if let [outer @ .., "tests"] = modules {
        let outer: PathBuf = outer.iter().collect();
        candidates.push(folder.join("src").join(&outer).with_extension("rs"));
        candidates.push(folder.join("src").join(&outer).join("mod.rs"));
    }
    candidates.into_iter().find(|candidate| candidate.is_file())
}

/// The functions with an attribute that ends in `test`, also inside modules and macros.
fn tests_of(source: &str) -> Result<BTreeMap<String, Test>, proc_macro2::LexError> {
    let mut tests = BTreeMap::new();
    collect(source.parse()?, &mut tests);
    Ok(tests)
}

fn collect(tokens: TokenStream, tests: &mut BTreeMap<String, Test>) {
    let mut attributes = Vec::new();
    let mut tokens = tokens.into_iter().peekable();
    while let Some(token) = tokens.next() {
        match token {
            TokenTree::Punct(punct) if punct.as_char() == '#' => {
                if let Some(TokenTree::Group(group)) = tokens.peek()
                    && group.delimiter() == Delimiter::Bracket
                {
                    attributes.push(without_white_space(&group.stream().to_string()));
                    tokens.next();
                }
            }
            TokenTree::Punct(punct) if punct.as_char() == ';' => attributes.clear(),
            TokenTree::Ident(ident) if ident == "fn" => {
                let attributes = std::mem::take(&mut attributes);
                let Some(TokenTree::Ident(name)) = tokens.next() else { continue };
                let is_body = |token: &TokenTree| matches!(token, TokenTree::Group(group) if group.delimiter() == Delimiter::Brace);
                let body = tokens.find(is_body).map(|body| body.to_string()).unwrap_or_default();
                if attributes.iter().any(|attribute| is_test(attribute)) {
                    let ignored = attributes.iter().any(|attribute| attribute.starts_with("ignore"));
                    tests.insert(name.to_string(), Test { ignored, body: without_white_space(&body) });
                }
            }
            TokenTree::Group(group) => {
                attributes.clear();
                collect(group.stream(), tests);
            }
            _ => {}
        }
    }
}

/// `test`, or another crate's, as `tokio::test(start_paused = true)`.
fn is_test(attribute: &str) -> bool {
    let path = attribute.split('(').next().unwrap_or_default();
    path == "test" || path.ends_with("::test")
}

fn without_white_space(text: &str) -> String {
    text.chars().filter(|character| !character.is_whitespace()).collect()
}

/// A test with `#[ignore]`, for tests of what becomes of one.
#[cfg(test)]
pub(crate) fn ignored_test() -> Test {
    Test { ignored: true, body: String::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: &str = r##"
        //! #[test] fn in_a_comment() {}
        const TEXT: &str = "#[test] fn in_a_string() {}";
        fn helper() {}
        #[test]
        #[should_panic(expected = "x")]
        fn plain() { assert_eq!(1 + 1, 2); }
        #[test]
        #[ignore = "slow"]
        fn left_out() {}
        #[tokio::test(start_paused = true)]
        async fn with_a_runtime() {}
        #[cfg(test)]
        const NOT_A_TEST: u8 = 1;
        fn after_a_constant() {}
        proptest! {
            #![proptest_config(config())]
            #[test]
            fn of_a_macro(x in 0..3_u8) { prop_assert!(x < 3); }
        }
        mod tests {
            #[test]
            fn inner() {}
        }
    "##;

    #[test]
    fn tests_are_told_from_what_is_none() {
        let tests = tests_of(SOURCE).expect("tokens");
        let names: Vec<_> = tests.keys().map(String::as_str).collect();
        assert_eq!(names, ["inner", "left_out", "of_a_macro", "plain", "with_a_runtime"]);
        let ignored: Vec<_> = tests.iter().filter(|(_, test)| test.ignored).map(|(name, _)| name).collect();
        assert_eq!(ignored, ["left_out"]);
    }

    #[test]
    fn an_assertion_is_looked_for_in_its_own_test() {
        let tests = tests_of(SOURCE).expect("tokens");
        assert!(tests["plain"].contains("assert_eq!(1+1, 2)"));
        assert!(!tests["inner"].contains("assert_eq!(1+1, 2)"));
    }

    #[test]
    fn paths_lead_to_what_runs_them() {
        let sources = Sources::read().expect("this workspace");
        let found = |path: &str| {
            let (target, name) = sources.target(path).expect("a test's path");
            (target.package, target.test, name)
        };
        let of = |package: &str, test: Option<&str>, name: &str| {
            (package.to_owned(), test.map(str::to_owned), name.to_owned())
        };
        assert_eq!(
            found("mayfly-conformance::exchanges::connect::clean_start"),
            of("mayfly-conformance", Some("exchanges"), "connect::clean_start")
        );
        assert_eq!(
            found("mayfly-core::allocation::the_hot_path_allocates_nothing"),
            of("mayfly-core", Some("allocation"), "the_hot_path_allocates_nothing")
        );
        assert_eq!(
            found("mayfly-wire::text::tests::follows"),
            of("mayfly-wire", None, "text::tests::follows")
        );
        assert!(sources.target("mayfly-cord::x::y").is_err());
    }

    #[test]
    fn paths_lead_to_files_and_functions() {
        let mut sources = Sources::read().expect("this workspace");
        let mut found = |path: &str| sources.find(path).map(|_| ()).map_err(|error| error.to_string());
        assert_eq!(found("mayfly-conformance::sources::tests::paths_lead_to_files_and_functions"), Ok(()));
        assert_eq!(found("mayfly-core::behaviour::wills::a_lost_connection_publishes_it"), Ok(()));
        assert_eq!(found("mayfly-core::allocation::the_hot_path_allocates_nothing"), Ok(()));
        assert!(
            found("mayfly-core::behaviour::wills::a_lost")
                .is_err_and(|text| text.ends_with("has no test `a_lost`"))
        );
        assert!(
            found("mayfly-core::behaviour::nothing::x").is_err_and(|text| text.contains("names no file"))
        );
        assert!(found("mayfly-cord::x::y").is_err_and(|text| text.contains("no package `mayfly-cord`")));
        assert!(found("mayfly-conformance::exchanges::connect::nothing").is_err());
    }
}
