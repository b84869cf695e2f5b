use std::fmt::Display;
use std::io::{self, Write};

use sepconv::{Error, Geometry, Layout, Plan, Preprocess, Shape, printable};
use serde::Serialize;

/// Writes one JSON document on one line.
pub(crate) fn json(out: &mut impl Write, value: &impl Serialize) -> Result<(), crate::Failure> {
    serde_json::to_writer(&mut *out, value)?;
    writeln!(out)?;
    Ok(())
}

/// Which side of a column its cells stand on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Align {
    Left,
    Right,
}

/// Writes rows under headings, columns two spaces apart.
pub(crate) fn table<const N: usize>(
    out: &mut impl Write,
    headings: [(&str, Align); N],
    rows: &[[String; N]],
) -> io::Result<()> {
    let rows: Vec<[String; N]> = rows.iter().map(|row| row.each_ref().map(|cell| printable(cell))).collect();
    let width = |column: usize| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells.fold(headings[column].0.chars().count(), usize::max)
    };
    let widths: [usize; N] = std::array::from_fn(width);
    let mut line = |cells: [&str; N]| {
        let mut text = String::new();
        for ((cell, width), (_, align)) in cells.iter().zip(widths).zip(headings) {
            match align {
                Align::Left => text.push_str(&format!("  {cell:<width$}")),
                Align::Right => text.push_str(&format!("  {cell:>width$}")),
            }
        }
        writeln!(out, "{}", text.trim_end())
    };
    line(headings.map(|(heading, _)| heading))?;
    rows.iter().try_for_each(|row| line(row.each_ref().map(String::as_str)))
}

/// A number of things with at most four digits before its unit: `999`, `3.50 M`.
pub(crate) fn count(number: u64) -> String {
    if number < 1000 { number.to_string() } else { scaled(number as f64, "").trim_end().to_owned() }
}

/// A number of bytes: `999 B`, `3.50 MB`, in powers of 1000.
pub(crate) fn bytes(number: usize) -> String {
    if number < 1000 { format!("{number} B") } else { scaled(number as f64, "B") }
}

fn scaled(number: f64, unit: &str) -> String {
    let (mut number, mut prefix) = (number / 1e3, 0);
    while number >= 999.5 && prefix < 4 {
        number /= 1e3;
        prefix += 1;
    }
    let decimals = if number < 9.995 { 2 } else { usize::from(number < 99.95) };
    format!("{number:.decimals$} {}{unit}", ["k", "M", "G", "T", "P"][prefix])
}

/// Multiply-accumulates of the layers that work on bytes.
pub(crate) fn int8_macs(plan: &Plan) -> u64 {
    plan.layers().iter().filter(|layer| layer.input_dtype.is_int8()).map(|layer| layer.macs).sum()
}

/// Names and paths, which may come from a file, as they are printed outside of tables.
pub(crate) fn shown(text: impl Display) -> String {
    printable(&text.to_string())
}

/// `1 run`, `2 runs`
pub(crate) fn plural(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

/// `1 thread`, `2 threads`
pub(crate) fn threads(number: usize) -> String {
    plural(number, "thread")
}

/// `224x224x3`
pub(crate) fn dims(shape: &Shape) -> String {
    let sizes: Vec<_> = shape.iter().map(usize::to_string).collect();
    sizes.join("x")
}

/// `NCHW` or `NHWC`
pub(crate) fn layout(layout: Layout) -> &'static str {
    match layout {
        Layout::Nchw => "NCHW",
        Layout::Nhwc => "NHWC",
    }
}

/// The end of a name is what tells it from its neighbors.
pub(crate) fn shorten(name: &str, most: usize) -> String {
    let length = name.chars().count();
    if length <= most {
        name.to_owned()
    } else {
        format!("…{}", name.chars().skip(length + 1 - most).collect::<String>())
    }
}

/// An error, as JSON.
#[derive(Debug, Serialize)]
pub(crate) struct ErrorJson {
    kind: &'static str,
    message: String,
    file: Option<String>,
    place: Option<String>,
    node: Option<String>,
    expected: Option<String>,
    got: Option<String>,
    help: Option<String>,
}

impl From<&Error> for ErrorJson {
    fn from(error: &Error) -> Self {
        let (expected, got) = error.expected_got().unzip();
        let [file, place, node, expected, got, help] =
            [error.file(), error.place(), error.node(), expected, got, error.advice()]
                .map(|text| text.map(str::to_owned));
        Self { kind: error.kind().name(), message: error.message().to_owned(), file, place, node, expected, got, help }
    }
}

/// How pixels become numbers, as JSON.
#[derive(Debug, Serialize)]
pub(crate) struct PreprocessJson {
    name: String,
    formula: String,
    geometry: &'static str,
    whole: bool,
    source: String,
}

impl From<&Preprocess> for PreprocessJson {
    fn from(preprocess: &Preprocess) -> Self {
        Self {
            name: preprocess.name().to_owned(),
            formula: preprocess.formula().to_owned(),
            geometry: preprocess.own_geometry().unwrap_or(Geometry::ResizeCrop).name(),
            whole: preprocess.own_geometry() == Some(Geometry::NoCrop),
            source: preprocess.source().to_string(),
        }
    }
}

/// How pixels become numbers, and who said so, for people.
pub(crate) fn preprocess(preprocess: &Preprocess) -> String {
    use sepconv::Source;
    let origin = match preprocess.source() {
        Source::File => "from the model file",
        Source::Argument => "from --preprocess",
        Source::Network => "from the network's family",
        Source::Default => "assumed: the file does not say; override with --preprocess",
    };
    format!("{preprocess} ({origin})")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_three_digits_and_a_unit() {
        let counts = [0, 999, 1000, 9995, 99_950, 999_499, 999_500, 300_774_272, u64::MAX].map(count);
        assert_eq!(counts, ["0", "999", "1.00 k", "10.0 k", "100 k", "999 k", "1.00 M", "301 M", "18447 P"]);
        assert_eq!([bytes(12), bytes(4_816_896)], ["12 B", "4.82 MB"]);
    }

    #[test]
    fn columns_are_aligned() {
        let mut out = Vec::new();
        let rows = [["a".into(), "1".into()], ["bbb".into(), "1000".into()]];
        table(&mut out, [("name", Align::Left), ("n", Align::Right)], &rows).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), "  name     n\n  a        1\n  bbb   1000\n");
    }
}
