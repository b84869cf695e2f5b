use alloc::vec::Vec;
use core::fmt;

use super::{Graph, Value, ValueId};
use crate::DType;

impl fmt::Display for Graph {
    /// A line for each port and node: `%7 = conv2d 3x3/2 relu6(%0, const[32,3,3,3], const[32]) -> [1,112,112,32]  #
    /// name`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = self.numbers();
        let operand = |f: &mut fmt::Formatter<'_>, id: ValueId| match (&self.value(id).constant, number[id.0]) {
            (Some(_), _) if self.value(id).dtype == DType::F32 => write!(f, "const{}", self.value(id).shape),
            (Some(_), _) => write!(f, "const {}", Typed(self.value(id))),
            (None, number) => write!(f, "%{number}"),
        };
        let role = |i: usize, ports: &[_], role: &'static str| if i < ports.len() { role } else { "state" };
        for (i, port) in self.inputs.iter().enumerate() {
            let (value, role) = (self.value(port.value), role(i, self.inputs(), "input"));
            write!(f, "%{} = {role} {:?} {} {}", number[port.value.0], port.name, value.dtype, value.shape)?;
            writeln!(f, "{}", Order(&port.order))?;
        }
        for node in &self.nodes {
            write!(f, "%{} = {}(", number[node.output.0], node.op)?;
            for (i, &id) in node.inputs.iter().enumerate() {
                f.write_str(if i == 0 { "" } else { ", " })?;
                operand(f, id)?;
            }
            writeln!(f, ") -> {}  # {}", Typed(self.value(node.output)), node.name)?;
        }
        for (i, port) in self.outputs.iter().enumerate() {
            write!(f, "{} {:?} = ", role(i, self.outputs(), "output"), port.name)?;
            operand(f, port.value)?;
            writeln!(f, " {}{}", Typed(self.value(port.value)), Order(&port.order))?;
        }
        Ok(())
    }
}

impl Graph {
    /// Inputs and results numbered in the order in which they are printed.
    fn numbers(&self) -> Vec<usize> {
        let mut numbers = alloc::vec![0; self.values.len()];
        let computed = self.inputs.iter().map(|port| port.value).chain(self.nodes.iter().map(|node| node.output));
        computed.enumerate().for_each(|(number, id)| numbers[id.0] = number);
        numbers
    }
}

/// `[1,56,56,24]`, with the dtype where it is not f32: `u8[1,56,56,24]`.
struct Typed<'a>(&'a Value);

impl fmt::Display for Typed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.dtype {
            DType::F32 => write!(f, "{}", self.0.shape),
            dtype @ (DType::I64 | DType::U8 | DType::I8) => write!(f, "{dtype}{}", self.0.shape),
        }
    }
}

/// ` as [0,2,3,1] of the file` where axes are in another order there.
struct Order<'a>(&'a [usize]);

impl fmt::Display for Order<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_sorted() { Ok(()) } else { write!(f, " as axes {:?} of the file", self.0) }
    }
}
