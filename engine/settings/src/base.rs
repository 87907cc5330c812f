//! A file that builds on another: `base = "../fast/lock.toml"` at its top level.
//!
//! Each key of the top level that the file itself leaves out is taken over from the base, a whole table or list at a time; what
//! the file says itself stands in its base's place as a whole. So nobody needs to know how tables are merged. A base stands on
//! its own: it has no base itself. Whatever is wrong with what comes from the base is reported at its place there.

use std::path::{Component, Path, PathBuf};

use serde::{Deserialize, Deserializer};
use toml::de::{DeTable, DeValue};

use crate::document::invalid_at;
use crate::error::Invalid;
use crate::nearest::did_you_mean;
use crate::read::load;

/// The key that names the base.
pub(crate) const KEY: &str = "base";

/// The text of a file's base.
#[derive(Debug)]
pub struct Base {
    /// How it is called in messages.
    path: String,
    /// Blanks in place of the text of the file that builds on it, one more for that text's end, and then its own: no two places in
    /// the two files have the same number.
    padded: String,
    /// How many blanks.
    padding: usize,
}

impl Base {
    /// The base of a file, if it names one: a path relative to the file, which is at `path`. A base that is no string is left to
    /// whoever reads the file.
    pub fn of(text: &str, path: &str) -> Result<Option<Self>, Invalid> {
        let Some((named, at)) = named_in(text) else { return Ok(None) };
        let error = |message: String| invalid_at(path, text, at, message);
        let folder = Path::new(path).parent().unwrap_or(Path::new(""));
        let file = folder.join(&named);
        if is_same(&file, Path::new(path)) {
            return Err(error(format!("the base `{named}` is this file itself; name another, or none")));
        }
        let base = load(&file).map_err(|_| {
            let hint = match neighbour(&file, &named, Path::new(path)) {
                hint if hint.is_empty() => {
                    "; name a file relative to this one, such as `../fast/smoke.toml`".to_owned()
                }
                hint => hint,
            };
            error(format!("the base `{named}` cannot be read{hint}"))
        })?;
        match named_in(&base) {
            Some((further, _)) if is_same(&file.with_file_name(&further), Path::new(path)) => Err(error(
                format!("the base `{named}` builds on this file in turn; write out what one of the two has"),
            )),
            Some((further, _)) => Err(error(format!(
                "the base `{named}` builds on `{further}` itself; name a file that stands on its own"
            ))),
            None => Ok(Some(Self::new(&base, shown(&file), text.len() + 1))),
        }
    }

    fn new(text: &str, path: String, padding: usize) -> Self {
        let mut padded = " ".repeat(padding);
        padded.push_str(text.strip_prefix('\u{feff}').unwrap_or(text));
        Self { path, padded, padding }
    }

    /// The text, with blanks before it.
    pub(crate) fn padded(&self) -> &str {
        &self.padded
    }

    /// An error at a byte offset of both texts together, if that is in the base.
    pub(crate) fn error_at(&self, offset: usize, file: &str, message: &str) -> Option<Invalid> {
        let offset = offset.checked_sub(self.padding)?;
        let message = format!("{message} (here as the base of {file})");
        Some(invalid_at(&self.path, &self.padded[self.padding..], offset, message))
    }
}

/// The base that a file names, and where.
fn named_in(text: &str) -> Option<(String, usize)> {
    let (root, _) = DeTable::parse_recoverable(text);
    let value = root.get_ref().get(KEY)?;
    match value.get_ref() {
        DeValue::String(path) => Some((path.to_string(), value.span().start)),
        _ => None,
    }
}

fn is_same(one: &Path, other: &Path) -> bool {
    match (one.canonicalize(), other.canonicalize()) {
        (Ok(one), Ok(other)) => one == other,
        _ => false,
    }
}

/// `; did you mean …?` where a file beside the one that is missing has a name like it, other than the one that asks for it.
fn neighbour(file: &Path, named: &str, asking: &Path) -> String {
    let wanted = file.file_name().unwrap_or_default().to_string_lossy();
    let entries = file.parent().and_then(|folder| std::fs::read_dir(folder).ok()).into_iter().flatten();
    let mut known: Vec<String> = entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| {
            path.extension().is_some_and(|extension| extension == "toml") && !is_same(path, asking)
        })
        .filter_map(|path| Some(path.file_name()?.to_string_lossy().into_owned()))
        .collect();
    known.sort();
    let hint = did_you_mean(&wanted, known.iter().map(String::as_str));
    let before = named.strip_suffix(&*wanted).unwrap_or_default();
    hint.replacen('`', &format!("`{before}"), 1)
}

/// A path without `folder/..`, as a person would write it.
fn shown(path: &Path) -> String {
    let mut simple = PathBuf::new();
    for component in path.components() {
        let can_go_back = matches!(simple.components().next_back(), Some(Component::Normal(_)))
            && component == Component::ParentDir;
        if can_go_back {
            simple.pop();
        } else {
            simple.push(component);
        }
    }
    simple.display().to_string()
}

/// The value of the key `base` in a type that serde reads: what it names has been taken in by then.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Based;

impl<'de> Deserialize<'de> for Based {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|_| Self)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed unwrap fails the test and names the line")]
mod tests {
    use std::fs;

    use super::*;
    use crate::{Document, Format, read_upon};

    #[derive(Debug, PartialEq, Eq, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct File {
        #[serde(default)]
        base: Based,
        title: String,
        run: Run,
        #[serde(default)]
        hosts: Vec<Host>,
    }

    #[derive(Debug, PartialEq, Eq, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Run {
        seed: u32,
        #[serde(default)]
        steps: u32,
    }

    #[derive(Debug, PartialEq, Eq, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Host {
        name: String,
    }

    const FORMAT: Format = Format::new("the file");

    const BASE: &str =
        "title = 'base' # é\n[run]\nseed = 1\nsteps = 2\n[[hosts]]\nname = 'a'\n[[hosts]]\nname = 'b'\n";

    /// A folder of this test's own.
    fn folder(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("mayfly-settings-{name}-{}", std::process::id()));
        fs::create_dir_all(folder.join("other")).unwrap();
        folder
    }

    /// Reads `text` as the file `own.toml` of a folder; the file itself, and what it is when it stands alone.
    fn read_in(folder: &Path, text: &str) -> Result<(File, String), String> {
        let path = folder.join("own.toml");
        fs::write(&path, text).unwrap();
        let path = path.to_str().unwrap();
        let base = Base::of(text, path).map_err(|error| error.to_string())?;
        let read = read_upon::<File>(&FORMAT, text, path, base.as_ref());
        let named = |error: Invalid| error.to_string().replace(&format!("{}/", folder.display()), "");
        read.map(|(file, document): (File, Document<'_>)| (file, document.standing_alone())).map_err(named)
    }

    #[test]
    fn what_a_file_says_stands_in_its_bases_place_as_a_whole() {
        let folder = folder("whole");
        fs::write(folder.join("other/base.toml"), BASE).unwrap();
        let own = "base = 'other/base.toml'\ntitle = 'own'\n[run]\nseed = 7\n";
        let (file, alone) = read_in(&folder, own).unwrap();
        assert_eq!((file.title.as_str(), &file.run), ("own", &Run { seed: 7, steps: 0 }));
        assert_eq!(file.hosts.iter().map(|host| host.name.as_str()).collect::<Vec<_>>(), ["a", "b"]);
        let again = read_in(&folder, &alone).unwrap();
        assert_eq!(again, (file, alone.clone()), "{alone}");
        assert!(!alone.contains("base"), "{alone}");
        let (file, alone) = read_in(&folder, "base = 'other/base.toml'\nhosts = []\n").unwrap();
        assert_eq!((file.title.as_str(), file.run.steps, file.hosts.len()), ("base", 2, 0));
        assert_eq!(read_in(&folder, &alone).unwrap().0, file);
        assert_eq!(read_in(&folder, BASE).unwrap().1, BASE, "without a base a file is what it is");
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_mistake_is_reported_where_it_is_made() {
        let folder = folder("mistakes");
        let cases = [
            ("[run]\nseed = 'x'\n", BASE, "own.toml:3:8: `seed` in [run] is string \"x\", but must be"),
            ("rum = 1\n", BASE, "own.toml:2:1: unknown key `rum` in the file; did you mean `run`?"),
            ("title =\n", BASE, "own.toml:2:8: this is not TOML: "),
            (
                "",
                "title = 'é'\n[run]\nseed = -1\n",
                "base.toml:3:8: `seed` in [run] is integer `-1`, but must be",
            ),
            (
                "",
                "\n[[hosts]]\nname = 'a'\nnane = 'b'\n",
                "base.toml:4:1: unknown key `nane` in [[hosts]]; did you",
            ),
            ("title =", BASE, "own.toml:2:8: this is not TOML: "),
            ("", "title = 'é\n", "base.toml:1:11: this is not TOML: "),
            (
                "",
                "\n[run]\n",
                "base.toml:2:1: the key `seed` is missing in [run] (here as the base of own.toml)",
            ),
            ("", "title = 'x'\n", "own.toml:1:1: the key `run` is missing in the file"),
        ];
        for (own, base, message) in cases {
            fs::write(folder.join("base.toml"), base).unwrap();
            let error = read_in(&folder, &format!("base = 'base.toml'\n{own}")).unwrap_err();
            assert!(error.starts_with(message), "{error}\n{message}");
            let is_of_base = error.contains("(here as the base of own.toml)");
            assert_eq!(is_of_base, message.starts_with("base"), "{error}");
        }
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_base_that_is_missing_or_does_not_stand_on_its_own_is_an_error_where_it_is_named() {
        let folder = folder("named");
        fs::write(folder.join("other/base.toml"), BASE).unwrap();
        fs::write(folder.join("other/circle.toml"), "base = '../own.toml'\n").unwrap();
        fs::write(folder.join("other/chain.toml"), "base = 'base.toml'\n").unwrap();
        let missing = "cannot be read; name a file relative to this one, such as `../fast/smoke.toml`";
        for (named, message) in [
            ("'bose.toml'", format!("the base `bose.toml` {missing}")),
            (
                "'other/bose.toml'",
                "the base `other/bose.toml` cannot be read; did you mean `other/base.toml`?".to_owned(),
            ),
            ("'other'", format!("the base `other` {missing}")),
            ("''", format!("the base `` {missing}")),
            ("'own.toml'", "the base `own.toml` is this file itself; name another, or none".to_owned()),
            (
                "'other/circle.toml'",
                "the base `other/circle.toml` builds on this file in turn; write out what one of the two has"
                    .to_owned(),
            ),
            (
                "'other/chain.toml'",
                "the base `other/chain.toml` builds on `base.toml` itself; name a file that stands on its own"
                    .to_owned(),
            ),
        ] {
            let error = read_in(&folder, &format!("title = 'x'\nbase = {named}\n")).unwrap_err();
            assert!(error.ends_with(&format!("own.toml:2:8: {message}")), "{error}\n{message}");
        }
        let error = read_in(&folder, "base = 7\n").unwrap_err();
        assert_eq!(error, "own.toml:1:8: `base` in the file is integer `7`, but must be a string");
        fs::remove_dir_all(folder).unwrap();
    }
}
