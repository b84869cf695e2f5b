use std::collections::HashMap;
use std::path::Path;

use sepconv_core::{Error, Result};

use crate::file;

/// The outputs of an ImageNet network that has a background class before the thousand.
const WITH_BACKGROUND: usize = 1001;

/// The largest file of labels that is read: a line of a hundred bytes for each of 160,000 images.
const MAX_BYTES: u64 = 16 << 20;

/// The class of an output, for networks with and without a background class: with 1001 outputs the first is the
/// background (`None`) and class `i` is output `i + 1`.
pub fn class_of(output: usize, outputs: usize) -> Option<usize> {
    if outputs == WITH_BACKGROUND { output.checked_sub(1) } else { Some(output) }
}

/// What the classes of a network are called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Labels {
    names: Vec<String>,
}

impl Labels {
    /// Names in the order of the outputs.
    pub fn new(names: Vec<String>) -> Self {
        Self { names }
    }

    /// Reads and [parses](Self::parse) a file.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        Self::parse(&read_text(path)?).map_err(|error| error.in_file(&path.display().to_string()))
    }

    /// One name a line, in the order of the outputs; or `index wnid name` lines, separated by tabs, in any order.
    ///
    /// # Errors
    /// When there is none, or indices are missing or double.
    pub fn parse(text: &str) -> Result<Self> {
        let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
        let used = lines.iter().rposition(|line| !line.is_empty()).map_or(0, |last| last + 1);
        let lines = &lines[..used];
        if lines.is_empty() {
            return Err(Error::malformed("label file is empty"));
        }
        let synsets: Option<Vec<_>> = lines.iter().map(|line| synset(line)).collect();
        let Some(synsets) = synsets else {
            return Ok(Self::new(lines.iter().map(|&line| line.to_owned()).collect()));
        };
        let mut names = vec![None; synsets.len()];
        for (line, (index, name)) in synsets.into_iter().enumerate() {
            match names.get_mut(index) {
                Some(place @ None) => *place = Some(name),
                _ => {
                    return Err(Error::malformed("label index is double or beyond the number of lines")
                        .at(format!("line {}", line + 1))
                        .expected(format_args!("each of 0 to {} once", lines.len() - 1), index));
                }
            }
        }
        Ok(Self::new(names.into_iter().flatten().collect()))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// The names.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// The same labels for a network with this many outputs: a background class is put before 1000 labels for 1001
    /// outputs, and dropped from 1001 for 1000.
    ///
    /// # Errors
    /// When the numbers do not fit otherwise.
    pub fn for_outputs(mut self, outputs: usize) -> Result<Self> {
        match (self.len(), outputs) {
            (labels, outputs) if labels == outputs => {}
            (1000, WITH_BACKGROUND) => self.names.insert(0, "background".to_owned()),
            (WITH_BACKGROUND, 1000) => drop(self.names.remove(0)),
            (labels, outputs) => {
                return Err(Error::mismatch("labels do not belong to this network")
                    .expected(format_args!("{outputs} labels, one for each output"), labels));
            }
        }
        Ok(self)
    }
}

/// `0 <tab> n01440764 <tab> great_white_shark`: the index and the name in words.
fn synset(line: &str) -> Option<(usize, String)> {
    let mut fields = line.splitn(3, '\t');
    let (index, _wnid, name) = (fields.next()?, fields.next()?, fields.next()?);
    Some((index.trim().parse().ok()?, name.trim().replace('_', " ")))
}

/// The true class of each image: lines of `file index`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GroundTruth {
    classes: HashMap<String, usize>,
}

impl GroundTruth {
    /// Reads and [parses](Self::parse) a file.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        Self::parse(&read_text(path)?).map_err(|error| error.in_file(&path.display().to_string()))
    }

    /// Lines of a file's name and the index of its class, counted from 0 without a background class, separated by
    /// spaces or tabs.
    ///
    /// # Errors
    /// When a line is something else or a file has two classes.
    pub fn parse(text: &str) -> Result<Self> {
        let mut classes = HashMap::new();
        for (number, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() {
                continue;
            }
            let at = |error: Error| error.at(format!("line {}", number + 1));
            let (name, class) = line
                .rsplit_once(char::is_whitespace)
                .and_then(|(name, class)| Some((name.trim_end(), class.parse().ok()?)))
                .ok_or_else(|| {
                    at(Error::malformed("line is not a file and its class")
                        .expected("`file index`", format_args!("{line:?}")))
                })?;
            if let Some(other) = classes.insert(name.to_owned(), class).filter(|other| *other != class) {
                return Err(at(Error::malformed("file has two classes")
                    .expected(format_args!("{other} again for {name:?}"), class)));
            }
        }
        if classes.is_empty() { Err(Error::malformed("no file and class in the list")) } else { Ok(Self { classes }) }
    }

    /// The class of an image, by the name of its file.
    pub fn class(&self, file: &str) -> Option<usize> {
        self.classes.get(file).copied()
    }

    /// The files named, in alphabetical order.
    pub fn files(&self) -> Vec<&str> {
        let mut files: Vec<_> = self.classes.keys().map(String::as_str).collect();
        files.sort_unstable();
        files
    }
}

/// Names of files and classes, counted from 0 without a background class. Of a name that comes twice the last class
/// counts.
impl FromIterator<(String, usize)> for GroundTruth {
    fn from_iter<I: IntoIterator<Item = (String, usize)>>(pictures: I) -> Self {
        Self { classes: pictures.into_iter().collect() }
    }
}

/// The whole of a file that holds text, without the byte order mark that some editors put before it.
fn read_text(path: &Path) -> Result<String> {
    let mut bytes = file::read(path, MAX_BYTES)?;
    if bytes.starts_with(b"\xef\xbb\xbf") {
        bytes.drain(..3);
    }
    String::from_utf8(bytes)
        .map_err(|_| Error::malformed("file is not UTF-8 text").in_file(&path.display().to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbered(count: usize) -> Labels {
        Labels::new((0..count).map(|i| i.to_string()).collect())
    }

    #[test]
    fn plain_lines_are_names() {
        let labels = Labels::parse("tench, Tinca tinca\r\n\r\ncat\n\n").unwrap();
        assert_eq!(labels.names(), ["tench, Tinca tinca", "", "cat"]);
        assert!(Labels::parse("\n \n").is_err());
    }

    #[test]
    fn synsets_are_put_in_order_and_into_words() {
        let labels = Labels::parse("1\tn2\tgreat_white_shark\n0\tn1\ttench\n").unwrap();
        assert_eq!(labels.names(), ["tench", "great white shark"]);
        for bad in ["0\ta\tb\n0\ta\tb", "2\ta\tb\n0\ta\tb"] {
            assert!(Labels::parse(bad).unwrap_err().to_string().contains("line "), "{bad:?}");
        }
    }

    #[test]
    fn the_background_comes_and_goes() {
        let with = numbered(1000).for_outputs(1001).unwrap();
        assert_eq!((with.len(), with.names()[0].as_str(), with.names()[1].as_str()), (1001, "background", "0"));
        assert_eq!(numbered(1001).for_outputs(1000).unwrap().names()[0], "1");
        assert_eq!(numbered(5).for_outputs(5), Ok(numbered(5)));
        assert!(numbered(4).for_outputs(5).is_err());
        assert_eq!([class_of(0, 1001), class_of(1, 1001), class_of(0, 1000)], [None, Some(0), Some(0)]);
    }

    #[test]
    fn truth_takes_names_with_spaces_and_refuses_contradictions() {
        let truth = GroundTruth::parse("a b.jpg 7\n\nc.png\t0\n").unwrap();
        assert_eq!((truth.class("a b.jpg"), truth.class("c.png"), truth.class("d")), (Some(7), Some(0), None));
        assert_eq!(truth.files(), ["a b.jpg", "c.png"]);
        assert_eq!(GroundTruth::parse("a 1\na 1\n").unwrap().files(), ["a"]);
        for bad in ["", "a", "a b", "a -1", "a 1\na 2"] {
            assert!(GroundTruth::parse(bad).is_err(), "{bad:?}");
        }
    }
}
