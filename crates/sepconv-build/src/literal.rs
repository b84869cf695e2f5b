//! Values as Rust source. Structs of `sepconv-kernels` are written by their `Debug`, which is the literal.

use std::fmt::Write;

/// Words that no module can be called.
const KEYWORDS: &[&str] = &[
    "abstract", "as", "async", "await", "become", "box", "break", "const", "continue", "crate", "do", "dyn", "else",
    "enum", "extern", "false", "final", "fn", "for", "gen", "if", "impl", "in", "let", "loop", "macro", "match", "mod",
    "move", "mut", "override", "priv", "pub", "ref", "return", "self", "static", "struct", "super", "trait", "true",
    "try", "type", "typeof", "unsafe", "unsized", "use", "virtual", "where", "while", "yield",
];

/// A name that Rust takes: other characters become `_`, and so does what is before a first digit.
pub(crate) fn identifier(name: &str) -> String {
    let mut identifier: String =
        name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' }).collect();
    if !identifier.starts_with(|c: char| c.is_ascii_alphabetic()) || KEYWORDS.contains(&identifier.as_str()) {
        identifier.insert_str(0, "network_");
    }
    identifier
}

/// One line of a comment: what of the text is printable.
pub(crate) fn comment(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// Numbers in lines of at most 140 columns.
pub(crate) fn array<T: std::fmt::Display>(source: &mut String, indent: &str, numbers: impl IntoIterator<Item = T>) {
    let mut line = indent.to_owned();
    for number in numbers {
        let before = line.len();
        let _ = write!(line, "{}{number},", if before > indent.len() { " " } else { "" });
        if line.len() > 140 {
            let last = line.split_off(before);
            source.push_str(&line);
            source.push('\n');
            line = format!("{indent}{}", last.trim_start());
        }
    }
    source.push_str(&line);
    source.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_files_become_names_of_modules() {
        for (name, expected) in [
            ("person_detect", "person_detect"),
            ("a-b.C", "a_b_c"),
            ("96x", "network_96x"),
            ("é", "network__"),
            ("fn", "network_fn"),
        ] {
            assert_eq!(identifier(name), expected);
        }
    }

    #[test]
    fn comments_stay_on_their_line() {
        assert_eq!(comment("a\nb\r\u{1b}[0m"), "a b  [0m");
    }

    #[test]
    fn arrays_keep_within_their_columns() {
        let mut source = String::new();
        array(&mut source, "    ", -128..=127i32);
        assert!(source.lines().all(|line| line.len() <= 140), "{source}");
        assert_eq!(source.split(',').count(), 257);
    }
}
