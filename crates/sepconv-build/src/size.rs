use sepconv::{Error, Result};

/// Bytes of a size such as `65536`, `64k` or `1M`; `k` is 1,024 bytes.
///
/// # Errors
/// If it is none.
pub(crate) fn parse(text: &str) -> Result<usize> {
    let error = || {
        Error::argument("size cannot be read")
            .expected("a number of bytes such as 65536, 64k or 1M", format_args!("{text:?}"))
    };
    let text = text.trim();
    let (digits, unit) = match text.to_ascii_lowercase().trim_end_matches('b') {
        lower if lower.ends_with('k') => (lower.len() - 1, 1 << 10),
        lower if lower.ends_with('m') => (lower.len() - 1, 1 << 20),
        lower => (lower.len(), 1),
    };
    let number = text.get(..digits).ok_or_else(error)?.trim_end();
    number.parse::<usize>().ok().and_then(|number| number.checked_mul(unit)).ok_or_else(error)
}

/// A number of bytes in kB of 1,024.
pub(crate) fn shown(bytes: usize) -> String {
    if bytes < 10 << 10 { format!("{bytes} B") } else { format!("{:.1} kB", bytes as f64 / 1024.0) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_numbers_with_a_unit() {
        for (text, bytes) in [("0", 0), ("65536", 65536), ("64k", 65536), ("64 kB", 65536), ("1M", 1 << 20), ("7b", 7)]
        {
            assert_eq!(parse(text), Ok(bytes), "{text}");
        }
        for text in ["", "k", "-1", "1.5k", "64g", "99999999999999999999", "9999999999999999m", "é"] {
            let error = parse(text).expect_err(text).to_string();
            assert!(error.contains("64k"), "{error}");
        }
    }
}
