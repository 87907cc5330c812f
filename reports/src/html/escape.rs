//! Foreign text made safe for the place in the page where it is put.

use std::fmt;

use serde::Serialize;

use crate::version_text::{self, Piece};
use crate::wording;

/// Text for an element's content or a quoted attribute: markup characters become references, control
/// characters their pictures.
pub(crate) struct Escaped<'a>(pub(crate) &'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for character in wording::visible(self.0).chars() {
            match character {
                '&' => out.write_str("&amp;")?,
                '<' => out.write_str("&lt;")?,
                '>' => out.write_str("&gt;")?,
                '"' => out.write_str("&quot;")?,
                '\'' => out.write_str("&#39;")?,
                other => fmt::Write::write_char(out, other)?,
            }
        }
        Ok(())
    }
}

/// A heading or a paragraph: [`Escaped`], with each version in its short form and whole in a tooltip.
pub(crate) struct Sentence<'a>(pub(crate) &'a str);

impl fmt::Display for Sentence<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for piece in version_text::pieces(self.0) {
            match piece {
                Piece::Words(words) => write!(out, "{}", Escaped(words))?,
                Piece::Version { full, short } => {
                    write!(out, "<abbr title=\"{}\">{}</abbr>", Escaped(full), Escaped(&short))?;
                }
            }
        }
        Ok(())
    }
}

/// JSON for the content of a `<script>` element. `<` is written as `\u003c`, which no HTML parser takes for
/// the end of the element or the start of a comment and which every JSON parser reads as `<`.
pub(super) fn script_json(value: &impl Serialize) -> String {
    // Outside strings, JSON has no `<`.
    serde_json::to_string(value)
        .expect("page data has no map with keys other than text")
        .replace('<', "\\u003c")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_is_text() {
        assert_eq!(
            Escaped("<a href=\"x\" title='y'>&\x1b").to_string(),
            "&lt;a href=&quot;x&quot; title=&#39;y&#39;&gt;&amp;␛"
        );
    }

    #[test]
    fn a_version_is_short_with_the_whole_of_it_at_hand() {
        assert_eq!(
            Sentence("<saw> 001767225600744:00000:StateStore & more").to_string(),
            "&lt;saw&gt; <abbr title=\"001767225600744:00000:StateStore\">…600744:0</abbr> &amp; more"
        );
    }

    #[test]
    fn json_cannot_end_its_element() {
        let json = script_json(&["</script><!--"]);
        assert!(!json.contains('<'));
        assert_eq!(serde_json::from_str::<[String; 1]>(&json).ok(), Some(["</script><!--".to_owned()]));
    }
}
