use sepconv_core::{Error, Result};

use super::flatbuffer::Table;
use super::schema::Model;
use crate::zip;

/// What a file says about its use: its `TFLITE_METADATA`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Metadata {
    /// How the first input is made of pixel values.
    pub normalization: Option<Normalization>,
    /// The name of each class of the first output; empty when the file gives none.
    pub labels: Vec<String>,
}

/// `(x - mean) / std`, with one value for all channels or one for each.
#[derive(Clone, Debug, PartialEq)]
pub struct Normalization {
    /// Subtracted first.
    pub mean: Vec<f32>,
    /// Divided by then.
    pub std: Vec<f32>,
}

/// What the metadata's bytes say from the fifth on.
const IDENTIFIER: &[u8] = b"M001";
/// `NormalizationOptions` among the kinds of process units.
const NORMALIZATION: u8 = 1;
/// `TENSOR_AXIS_LABELS` among the types of associated files.
const AXIS_LABELS: i8 = 2;
/// Bytes of labels that are read.
const MAX_LABELS: usize = 1 << 20;
/// Channels that may have a mean, units and files that are looked at: more is no image classifier.
const MAX_ENTRIES: usize = 64;

impl Metadata {
    /// The metadata of a file, if it has any.
    pub(super) fn read(bytes: &[u8]) -> Result<Option<Self>> {
        let Some(data) = Model::read(bytes)?.metadata("TFLITE_METADATA")? else { return Ok(None) };
        if data.get(4..8) != Some(IDENTIFIER) {
            return Err(Error::malformed("metadata is of another version"));
        }
        let subgraphs = Table::root(data)?.tables(3)?;
        if subgraphs.len() == 0 {
            return Ok(Some(Self::default()));
        }
        let subgraph = subgraphs.get(0, "metadata of the network")?;
        let (inputs, outputs) = (subgraph.tables(2)?, subgraph.tables(3)?);
        let mut metadata = Self::default();
        if inputs.len() > 0 {
            metadata.normalization = normalization(inputs.get(0, "metadata of the input")?)?;
        }
        if outputs.len() > 0 {
            metadata.labels = labels(bytes, outputs.get(0, "metadata of the output")?)?;
        }
        Ok(Some(metadata))
    }
}

fn normalization(input: Table) -> Result<Option<Normalization>> {
    for unit in input.tables(4)?.iter().take(MAX_ENTRIES) {
        let unit = unit?;
        let Some(options) = unit.table(1)?.filter(|_| unit.scalar(0, 0u8) == Ok(NORMALIZATION)) else { continue };
        let (mean, std) = (options.scalars(0)?, options.scalars(1)?);
        if mean.len() == 0 || std.len() == 0 || mean.len() > MAX_ENTRIES || std.len() > MAX_ENTRIES {
            return Err(Error::malformed("normalization has no mean and deviation for each channel"));
        }
        return Ok(Some(Normalization { mean: mean.iter().collect(), std: std.iter().collect() }));
    }
    Ok(None)
}

/// The lines of the label file, which lies in a ZIP archive at the end of the model.
fn labels(bytes: &[u8], output: Table) -> Result<Vec<String>> {
    for file in output.tables(6)?.iter().take(MAX_ENTRIES) {
        let file = file?;
        if file.scalar(2, 0i8)? != AXIS_LABELS {
            continue;
        }
        let wanted = file.string(0)?;
        let files = zip::read(bytes, MAX_LABELS, |name| name == wanted)?;
        let text = files.first().and_then(|(_, data)| std::str::from_utf8(data).ok());
        return Ok(text.map_or(vec![], |text| text.lines().map(str::to_owned).collect()));
    }
    Ok(vec![])
}
