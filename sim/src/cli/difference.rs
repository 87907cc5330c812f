//! Where the traces of two runs part.

use std::collections::VecDeque;

/// So many events that both runs had are shown before the first difference, and so many of each after it.
const CONTEXT: usize = 5;
/// Of longer lines the beginning is shown.
const MAX_SHOWN: usize = 200;

/// Where two traces part.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Difference {
    /// The number of the first event that differs, counted from 1.
    event: usize,
    /// The last events that both runs had.
    before: Vec<String>,
    /// The next events of the one run; none where it had ended.
    one: Vec<String>,
    /// Those of the other.
    other: Vec<String>,
}

/// The first event in which two traces differ, with what is around it; `None` where they are equal.
pub(super) fn first_difference(
    mut one: impl Iterator<Item = String>,
    mut other: impl Iterator<Item = String>,
) -> Option<Difference> {
    let mut before = VecDeque::with_capacity(CONTEXT + 1);
    for event in 1.. {
        match (one.next(), other.next()) {
            (None, None) => return None,
            (Some(a), Some(b)) if a == b => {
                before.push_back(a);
                if before.len() > CONTEXT {
                    before.pop_front();
                }
            }
            (a, b) => {
                let one = a.into_iter().chain(one.take(CONTEXT - 1)).collect();
                let other = b.into_iter().chain(other.take(CONTEXT - 1)).collect();
                return Some(Difference { event, before: before.into(), one, other });
            }
        }
    }
    None
}

impl Difference {
    /// The number of the first event that differs, counted from 1.
    pub(super) fn event(&self) -> usize {
        self.event
    }

    /// A line for each event that is shown, with a word for whose it is.
    pub(super) fn text(&self, [one, other]: [&str; 2]) -> String {
        let ended = [String::from("(the run has ended)")];
        let or_ended = |lines: &'_ [String]| if lines.is_empty() { ended.to_vec() } else { lines.to_vec() };
        let parts =
            [("both:", self.before.clone()), (one, or_ended(&self.one)), (other, or_ended(&self.other))];
        let width = parts.iter().map(|(whose, _)| whose.len()).max().unwrap_or_default();
        let lines = parts.iter().flat_map(|(whose, lines)| lines.iter().map(move |line| (whose, line)));
        lines.fold(String::new(), |text, (whose, line)| {
            text + &format!("      {whose:<width$} {}\n", shortened(line))
        })
    }
}

fn shortened(line: &str) -> String {
    let length = line.chars().count();
    if length <= MAX_SHOWN {
        return line.to_owned();
    }
    format!("{}… ({length} characters)", line.chars().take(MAX_SHOWN).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn difference(here: &[&str], there: &[&str]) -> Option<Difference> {
        let lines = |lines: &[&str]| lines.iter().map(|line| (*line).to_owned()).collect::<Vec<_>>();
        first_difference(lines(here).into_iter(), lines(there).into_iter())
    }

    #[test]
    fn equal_traces_have_no_difference() {
        assert_eq!(difference(&[], &[]), None);
        assert_eq!(difference(&["a", "b"], &["a", "b"]), None);
    }

    #[test]
    fn the_first_difference_comes_with_what_is_around_it() {
        let text =
            difference(&["1", "2", "3", "4", "5", "6", "x", "y"], &["1", "2", "3", "4", "5", "6", "z"])
                .expect("a difference")
                .text(["here:", "there:"]);
        let expected = "      both:  2\n      both:  3\n      \
                        both:  4\n      both:  5\n      both:  6\n      here:  x\n      here:  y\n      there: z\n";
        assert_eq!(text, expected);
    }

    #[test]
    fn a_run_that_ended_early_differs() {
        let text = difference(&["a"], &["a", "b"]).expect("a difference").text(["here:", "there:"]);
        assert!(
            text.ends_with("      both:  a\n      here:  (the run has ended)\n      there: b\n"),
            "{text}"
        );
    }

    #[test]
    fn of_a_long_line_the_beginning_is_shown() {
        let text = shortened(&"é".repeat(300));
        assert!(text.starts_with(&"é".repeat(200)) && text.ends_with("… (300 characters)"), "{text}");
    }
}
