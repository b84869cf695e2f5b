//! What can be shown of a file whose network cannot be compiled.

use std::io::Write;

use sepconv::{Error, Model, OperatorCount, TensorSpec};
use serde::Serialize;

use super::{Args, format_name};
use crate::failure::{Failure, code, tell};
use crate::report::{self, Align, ErrorJson, plural, shown};

#[derive(Debug, Serialize)]
struct Output<'a> {
    model: String,
    format: &'static str,
    inputs: Vec<PortJson<'a>>,
    outputs: Vec<PortJson<'a>>,
    description: Option<&'a str>,
    labels: Vec<String>,
    operators: Vec<OperatorJson>,
    error: ErrorJson,
}

/// An input or output as the file declares it; open sizes are `null`.
#[derive(Debug, Serialize)]
struct PortJson<'a> {
    name: &'a str,
    shape: &'a [Option<usize>],
    dtype: String,
}

impl<'a> From<&'a TensorSpec> for PortJson<'a> {
    fn from(port: &'a TensorSpec) -> Self {
        Self { name: &port.name, shape: &port.dims, dtype: port.dtype.to_string() }
    }
}

/// An operator of the file.
#[derive(Debug, Serialize)]
pub(super) struct OperatorJson {
    name: String,
    nodes: usize,
    supported: bool,
}

impl OperatorJson {
    pub(super) fn all(operators: &[OperatorCount]) -> Vec<Self> {
        let one = |operator: &OperatorCount| {
            let OperatorCount { name, count, is_supported, .. } = operator.clone();
            Self { name, nodes: count, supported: is_supported }
        };
        operators.iter().map(one).collect()
    }
}

/// Prints what the file says of its ports, its operators and its use, then why there is no more.
pub(super) fn print(args: &Args, model: &Model, error: Error, out: &mut impl Write) -> Result<(), Failure> {
    let operators = model.operators().unwrap_or_default();
    if args.json {
        let output = Output {
            model: args.model.display().to_string(),
            format: format_name(model),
            inputs: ports(model.inputs()),
            outputs: ports(model.outputs()),
            description: model.description(),
            labels: model.labels().map_or(vec![], |labels| labels.names().to_vec()),
            operators: OperatorJson::all(&operators),
            error: (&error).into(),
        };
        report::json(out, &output)?;
    } else {
        writeln!(out, "{} ({})", shown(model.name()), format_name(model))?;
        for (role, ports) in [("input", model.inputs()), ("output", model.outputs())] {
            for port in ports {
                writeln!(out, "{role:<11} {} {port}", shown(&port.name))?;
            }
        }
        if let Some(description) = model.description() {
            writeln!(out, "description {}", shown(description))?;
        }
        writeln!(out, "operators   {}\n", plural(operators.iter().map(|operator| operator.count).sum(), "node"))?;
        let row = |operator: &OperatorCount| {
            let note = if operator.is_supported { "" } else { "not supported" };
            [operator.name.clone(), operator.count.to_string(), note.to_owned()]
        };
        let headings = [("operator", Align::Left), ("nodes", Align::Right), ("", Align::Left)];
        report::table(out, headings, &operators.iter().map(row).collect::<Vec<_>>())?;
    }
    // The reason follows what it is about.
    out.flush()?;
    tell(&error);
    Err(Failure::Told(code(&error)))
}

fn ports(ports: &[TensorSpec]) -> Vec<PortJson<'_>> {
    ports.iter().map(PortJson::from).collect()
}
