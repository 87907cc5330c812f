//! Unsigned decimal numbers in ASCII, as RESP3 and timestamps write them.

/// The digits of the largest `u64`.
const MAX_DIGITS: usize = 20;

/// Reads one or more digits and nothing else; `None` also above 2^64 - 1.
#[inline]
pub(crate) fn parse(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0_u64, |value, byte| {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 { None } else { value.checked_mul(10)?.checked_add(u64::from(digit)) }
    })
}

/// How many digits `value` has.
pub(crate) fn digits(value: u64) -> usize {
    value.checked_ilog10().map_or(1, |log| log as usize + 1)
}

/// Appends `value` with at least `min_digits` digits, 1 to 20.
#[inline]
pub(crate) fn write(mut value: u64, min_digits: usize, out: &mut Vec<u8>) {
    let mut digits = [b'0'; MAX_DIGITS];
    let mut start = MAX_DIGITS;
    while value > 0 {
        start -= 1;
        digits[start] = b'0' + (value % 10) as u8;
        value /= 10;
    }
    out.extend_from_slice(&digits[start.min(MAX_DIGITS - min_digits)..]);
}
