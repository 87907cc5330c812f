//! Tables that say in `kind` what they are.

use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};

use crate::message::NO_KIND;

/// Turns `{ kind = "x", rest }` into `{ x = { rest } }`. Serde reads the second without losing its place in the file,
/// which it does with a tag inside.
pub fn kind_outward(value: &mut Spanned<DeValue<'_>>) {
    let span = value.span();
    let DeValue::Table(table) = value.get_mut() else { return };
    let kind = match table.get("kind").map(|kind| (kind.span(), kind.get_ref())) {
        Some((at, DeValue::String(kind))) => Spanned::new(at, kind.clone()),
        // Not a string: serde has no such variant either, and its complaint comes with the right place.
        Some((at, _)) => Spanned::new(at, DeString::from(NO_KIND)),
        None => Spanned::new(span.clone(), DeString::from(NO_KIND)),
    };
    let mut rest = std::mem::take(table);
    rest.remove("kind");
    table.insert(kind, Spanned::new(span, DeValue::Table(rest)));
}

/// The items of the array under `key`; none where it is no array.
pub fn tables_in<'t, 'a>(
    table: &'t mut DeTable<'a>,
    key: &str,
) -> impl Iterator<Item = &'t mut Spanned<DeValue<'a>>> {
    let array = match table.get_mut(key).map(Spanned::get_mut) {
        Some(DeValue::Array(array)) => Some(array),
        _ => None,
    };
    array.into_iter().flat_map(|array| array.iter_mut())
}
