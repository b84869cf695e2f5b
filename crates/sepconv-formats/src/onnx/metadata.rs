use sepconv_core::{Error, Result};

use super::proto::{ModelProto, StringStringEntryProto};

/// What a file says about the use of its network, beside what it computes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Metadata {
    /// What it is, for people; `doc_string` in the file.
    pub description: String,
    /// How pixels become the network's numbers, in words that whoever runs it knows; `sepconv.preprocess` among the
    /// file's `metadata_props`.
    pub preprocess: Option<String>,
    /// The name of each class in the order of the outputs, without line breaks; `sepconv.labels` among the file's
    /// `metadata_props`, a line each. Empty where none are known.
    pub labels: Vec<String>,
}

const PREPROCESS: &str = "sepconv.preprocess";
const LABELS: &str = "sepconv.labels";
/// Bytes that the value of each key may have.
const LIMITS: [(&str, usize); 2] = [(PREPROCESS, 1 << 10), (LABELS, 1 << 20)];

impl Metadata {
    /// What a file says. Keys of others mean nothing here.
    pub(super) fn read(model: &ModelProto) -> Result<Self> {
        let value = |(key, most): (&str, usize)| {
            let mut values = model.metadata_props.iter().filter(|entry| entry.key == key);
            let value = values.next().map(|entry| entry.value.as_str());
            let length = value.map_or(0, str::len);
            let error = match values.next() {
                Some(_) => Error::malformed("metadata has a key twice"),
                None if length > most => {
                    Error::limit("metadata is too long").expected(format_args!("at most {most} bytes"), length)
                }
                None => return Ok(value),
            };
            Err(error.at(format!("metadata {key:?}")))
        };
        let [preprocess, labels] = LIMITS.map(value);
        Ok(Self {
            description: model.doc_string.clone(),
            preprocess: preprocess?.map(str::to_owned),
            labels: labels?.map_or(vec![], |text| text.lines().map(str::to_owned).collect()),
        })
    }

    /// The entries that say the same in a file.
    pub(super) fn entries(&self) -> Result<Vec<StringStringEntryProto>> {
        if let Some(label) = self.labels.iter().find(|label| label.contains(['\n', '\r'])) {
            return Err(
                Error::argument("label has a line break").expected("names of one line", format_args!("{label:?}"))
            );
        }
        // Each line ends, so that an empty name at the end counts.
        let labels: String = self.labels.iter().flat_map(|label| [label, "\n"]).collect();
        let values = [self.preprocess.clone(), Some(labels).filter(|labels| !labels.is_empty())];
        let entry = |((key, most), value): ((&str, usize), Option<String>)| {
            let value = value?;
            let too_long = value.len() > most;
            let error = || {
                let expected = format!("at most {most} bytes");
                Error::limit("metadata is too long").at(format!("metadata {key:?}")).expected(expected, value.len())
            };
            Some(if too_long { Err(error()) } else { Ok(StringStringEntryProto { key: key.to_owned(), value }) })
        };
        LIMITS.into_iter().zip(values).filter_map(entry).collect()
    }
}

#[cfg(test)]
mod tests {
    use sepconv_core::ErrorKind;

    use super::*;

    fn model(entries: &[(&str, &str)]) -> ModelProto {
        let entry = |&(key, value): &(&str, &str)| StringStringEntryProto { key: key.into(), value: value.into() };
        ModelProto { metadata_props: entries.iter().map(entry).collect(), ..ModelProto::default() }
    }

    #[test]
    fn what_is_written_is_read_again() {
        let names = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
        for labels in [names(&[]), names(&["cat", "", "great white shark", ""])] {
            let metadata = Metadata { description: "two\nlines".into(), preprocess: Some("128/127".into()), labels };
            let doc_string = metadata.description.clone();
            let written = ModelProto { doc_string, metadata_props: metadata.entries().unwrap(), ..Default::default() };
            assert_eq!(Metadata::read(&written), Ok(metadata));
        }
        assert_eq!(Metadata::default().entries(), Ok(vec![]));
    }

    #[test]
    fn what_would_not_be_read_again_is_not_written() {
        let labels = |label: String| Metadata { labels: vec![label], ..Metadata::default() };
        assert_eq!(labels("a\nb".into()).entries().unwrap_err().kind(), ErrorKind::Argument);
        assert_eq!(labels("a".repeat(1 << 20)).entries().unwrap_err().kind(), ErrorKind::Limit);
        let preprocess = Metadata { preprocess: Some("1".repeat(2000)), ..Metadata::default() };
        assert_eq!(preprocess.entries().unwrap_err().kind(), ErrorKind::Limit);
    }

    #[test]
    fn keys_of_others_mean_nothing_and_ours_are_bounded() {
        let foreign =
            model(&[("", ""), ("author", "nobody"), ("author", "somebody"), ("labels", &"x".repeat(1 << 21))]);
        assert_eq!(Metadata::read(&foreign), Ok(Metadata::default()));
        for (entries, kind, told) in [
            (vec![(PREPROCESS, "tf"), (PREPROCESS, "torch")], ErrorKind::Malformed, "metadata has a key twice"),
            (
                vec![(LABELS, "\n".repeat((1 << 20) + 1).as_str())],
                ErrorKind::Limit,
                "at most 1048576 bytes, got 1048577",
            ),
            (vec![(PREPROCESS, "1".repeat(1025).as_str())], ErrorKind::Limit, "--> metadata \"sepconv.preprocess\""),
        ] {
            let error = Metadata::read(&model(&entries)).unwrap_err();
            assert!(error.kind() == kind && error.to_string().contains(told), "{error}");
        }
    }
}
