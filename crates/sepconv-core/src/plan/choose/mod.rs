#[cfg(feature = "int8")]
mod int8;

use crate::op::{Binary, Dense, Dequantize, MatMul, Quantize, Reduce, Softmax};
use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;
use core::ops::Range;

use sepconv_kernels::{Activation, ConvGeometry, Tile, conv_transpose, conv2d, depthwise, pointwise};

use super::{
    Planner,
    groups::is_global_mean,
    pack::{Pack, Weights},
    work::{Depthwise, Float, Matrix, Pairing, Repeat, Work},
};
use crate::{
    DType, Error, Op, Result, Shape, ValueId,
    op::{Conv2d, ConvKind, ConvTranspose, batch_offset, image, split_at},
};

/// The kernel for a node, which of its operands the kernel reads while running, and what to tell people.
pub(super) struct Choice {
    pub(super) work: Work,
    pub(super) operands: Vec<ValueId>,
    pub(super) kernel: String,
    pub(super) why: String,
}

impl Planner<'_> {
    pub(super) fn choose(&mut self, out: &Range<usize>) -> Result<Choice> {
        let node = self.node;
        let shape = self.shape(node.output);
        let x = self.shape(node.inputs[0]);
        Ok(match &node.op {
            Op::Conv2d(conv) => self.conv2d(conv)?,
            Op::ConvTranspose(conv) => self.conv_transpose(conv)?,
            Op::Dense(Dense { activation }) => self.matrix(*activation)?,
            Op::MatMul(MatMul) => self.matmul(),
            Op::Pool(_) if self.graph.value(node.output).dtype == DType::U8 => self.int8()?,
            Op::Pool(_) if self.graph.value(node.output).dtype == DType::I8 => {
                return Err(Error::unsupported("a maximum of signed bytes has no kernel")
                    .help("the passes make all bytes unsigned: run them first"));
            }
            Op::Pool(pool) => {
                self.plain(Float::Pool(pool.kind, pool.geometry(x, shape)), "pool", "vectors of channels")
            }
            op if is_global_mean(op) && x.len() == 4 && x.elements() > 0 => match self.rows_means {
                Some(_) => {
                    let work = Float::GlobalAverage { channels: x[3], pixels: x[1] };
                    self.plain(work, "global_average", "of the means of rows, left by the step that made them")
                }
                None => {
                    let work = Float::GlobalAverage { channels: x[3], pixels: x[1] * x[2] };
                    self.plain(work, "global_average", "vectors of channels")
                }
            },
            Op::Reduce(Reduce { reduction, axes, .. }) => {
                let reduced = (0..x.len()).map(|axis| axes.contains(&axis)).collect();
                self.plain(Float::Reduce { reduction: *reduction, dims: x.to_vec(), reduced }, "reduce", "any axes")
            }
            Op::Unary(function) => {
                let in_place = self.arena.range(node.inputs[0]).as_ref() == Some(out);
                match in_place {
                    true => self.plain(Float::UnaryInPlace(*function), "unary", "in place: the operand dies here"),
                    false => self.plain(Float::Unary(*function), "unary", "the operand is needed again"),
                }
            }
            &Op::Binary(Binary { function, activation }) => {
                let (pairing, why) = self.pairing();
                self.plain(Float::Binary { function, activation, pairing }, "binary", &why)
            }
            Op::Softmax(Softmax { axis, log }) => {
                self.plain(Float::Softmax { extents: split_at(x, *axis), log: *log }, "softmax", "along one axis")
            }
            Op::Resize(resize) => {
                let [rows, columns] = resize.taps_of(x);
                let work = Float::Resize { input: image(x), output: image(shape), rows, columns };
                self.plain(work, "resize", "tap tables per row and column")
            }
            Op::BatchNorm(_) => return Err(self.not_constant("statistics of a batch normalization")),
            Op::Quantize(Quantize(quantization)) => {
                let (inner, quantization) = (quantization.inner_len(x), quantization.clone());
                self.plain(Work::Quantize { quantization, inner }, "quantize", "floats to bytes")
            }
            Op::Dequantize(Dequantize(quantization)) => {
                let (inner, quantization) = (quantization.inner_len(x), quantization.clone());
                self.plain(Work::Dequantize { quantization, inner }, "dequantize", "bytes to floats")
            }
            Op::Lut(lookup) => self.plain(Work::Lut(lookup.clone()), "lookup", "a table of all bytes"),
            Op::QConv2d(_) | Op::QBinary(_) | Op::QAveragePool(_) => self.int8()?,
            Op::Gather(_)
            | Op::Reshape(_)
            | Op::Transpose(_)
            | Op::Concat(_)
            | Op::Slice(_)
            | Op::Pad(_)
            | Op::Broadcast(_) => self.moves()?,
        })
    }

    #[cfg(not(feature = "int8"))]
    fn int8(&mut self) -> Result<Choice> {
        Err(Error::unsupported("layers of bytes are not in this build").help("build it with the feature `int8`"))
    }

    fn shape(&self, id: ValueId) -> &'_ Shape {
        &self.graph.value(id).shape
    }

    fn plain(&self, work: impl Into<Work>, kernel: &str, why: &str) -> Choice {
        let operands = self.node.inputs.clone();
        Choice { work: work.into(), operands, kernel: kernel.to_owned(), why: why.to_owned() }
    }

    fn not_constant(&self, what: &str) -> Error {
        Error::unsupported(format!("{what} must be known before running"))
            .help("bind the input that they come from to a constant")
    }

    /// Reserves `len` floats for weights and bias (operands 1 and 2) in the order that a kernel wants.
    fn packed(&mut self, len: usize, weights: Weights) -> Result<Range<usize>> {
        let [w, b] = [self.node.inputs[1], self.node.inputs[2]];
        if [w, b].iter().any(|&id| self.graph.value(id).constant.is_none()) {
            return Err(self.not_constant("weights"));
        }
        let range = self.reserve.take(len.saturating_mul(size_of::<f32>()));
        self.packs.push(Pack::Weights { weights, w, b, range: range.clone() });
        Ok(range)
    }

    fn conv2d(&mut self, conv: &Conv2d) -> Result<Choice> {
        let (x, out) = (self.shape(self.node.inputs[0]).clone(), self.shape(self.node.output).clone());
        let activation = conv.activation;
        let operands: Vec<ValueId> = self
            .node
            .inputs
            .iter()
            .copied()
            .enumerate()
            .filter(|(i, _)| [0, 3].contains(i))
            .map(|(_, id)| id)
            .collect();
        match conv.kind(x.last()) {
            ConvKind::Pointwise => self.matrix(activation),
            // Depthwise kernels take no residual.
            ConvKind::Depthwise if self.node.inputs.len() == 3 => {
                let conv = ConvGeometry::depthwise(conv.window, image(&x), image(&out));
                let variant = depthwise::Variant::choose(&conv);
                let packed = self.packed(depthwise::packed_len(self.isa, &conv), Weights::Depthwise(conv))?;
                let work = Float::Depthwise(Depthwise { variant, conv, packed, activation }).into();
                let kernel = format!("depthwise {}", variant.name());
                let why = format!("{} channels, weights of a vector stay in registers", conv.output[2]);
                Ok(Choice { work, operands, kernel, why })
            }
            kind => {
                let conv = conv.geometry(&x, &out);
                let per_group = conv.output[2] / conv.groups;
                let tile = conv.tile(self.isa);
                let packed = self.packed(conv2d::packed_len(self.isa, tile, &conv), Weights::Conv2d(tile, conv))?;
                let work = Float::Conv2d { tile, conv, packed, activation }.into();
                let kernel = format!("conv2d {}", tile.name(self.isa));
                let why = format!("{kind}: read in place, {} along a row", in_vain(per_group, tile.columns(self.isa)));
                Ok(Choice { work, operands, kernel, why })
            }
        }
    }

    fn conv_transpose(&mut self, conv: &ConvTranspose) -> Result<Choice> {
        let (x, out) = (self.shape(self.node.inputs[0]), self.shape(self.node.output));
        let (activation, conv) = (conv.activation, conv.geometry(x, out));
        let tile = conv.transposed_tile(self.isa);
        let packed =
            self.packed(conv_transpose::packed_len(self.isa, tile, &conv), Weights::ConvTranspose(tile, conv))?;
        let work = Float::ConvTranspose { tile, conv, packed, activation }.into();
        let kernel = format!("conv_transpose {}", tile.name(self.isa));
        Ok(Choice {
            work,
            operands: vec![self.node.inputs[0]],
            kernel,
            why: "gathers the taps of each output pixel".to_string(),
        })
    }

    /// A pointwise convolution or a fully connected layer: a product of a matrix of pixels and a matrix of weights.
    fn matrix(&mut self, activation: Activation) -> Result<Choice> {
        let (k, n) = (self.shape(self.node.inputs[0]).last(), self.shape(self.node.output).last());
        let m = self.shape(self.node.output).elements() / n;
        let tile = Tile::choose(self.isa, m, k, n);
        let packed = self.packed(pointwise::packed_len(self.isa, tile, k, n), Weights::Matrix(tile, k))?;
        let operands = [0, 3].iter().filter_map(|&i| self.node.inputs.get(i).copied()).collect();
        let kernel = format!("pointwise {}", tile.name(self.isa));
        let why = format!("{m} x {k} x {n}, {}", in_vain(n, tile.columns(self.isa)));
        let matrix = Matrix { tile, k, n, packed, activation };
        let work = if m == 1 { Float::Vector(matrix) } else { Float::Pointwise(matrix) };
        Ok(Choice { work: work.into(), operands, kernel, why })
    }

    fn matmul(&self) -> Choice {
        let [a, b] = [0, 1].map(|i| self.shape(self.node.inputs[i]));
        let out = self.shape(self.node.output);
        let [m, k, n] = [out[out.len() - 2], a.last(), out.last()];
        let products = out.elements() / (m * n).max(1);
        let offsets = (0..products).map(|i| [batch_offset(a, out, i), batch_offset(b, out, i)]).collect();
        self.plain(Float::MatMul { m, k, n, offsets }, "matmul", "both operands are computed while running")
    }

    /// How two operands meet, and that in words.
    fn pairing(&self) -> (Pairing, String) {
        let out = self.shape(self.node.output);
        let shapes = [0, 1].map(|i| self.shape(self.node.inputs[i]));
        let pairing = Pairing::new(shapes, out);
        let why = match &pairing {
            Pairing::Repeat(Repeat { period, periods: [a, b] }) if a == b && a == period => "same shapes".to_string(),
            Pairing::Repeat(Repeat { period, periods: [a, b] }) => {
                format!("{a} and {b} elements repeat every {period}")
            }
            Pairing::Strided { .. } => "broadcast by strides".to_string(),
        };
        (pairing, why)
    }

    fn moves(&self) -> Result<Choice> {
        let node = self.node;
        let shapes: Vec<&Shape> = node.inputs.iter().map(|&id| self.shape(id)).collect();
        let indices =
            node.inputs.get(1).and_then(|&id| self.graph.value(id).constant.as_deref()).and_then(|t| t.as_i64());
        let Some(movement) = node.op.as_data_movement() else { unreachable!("only data movements come here") };
        let moves = movement.copies(&shapes, indices, self.shape(node.output))?;
        let (why, fill) = (format!("{} block(s)", moves.len()), movement.fill());
        let operands = node.inputs[..movement.copied_operands(node.inputs.len())].to_vec();
        let work = Work::Move { dtype: self.graph.value(node.output).dtype, fill, moves };
        Ok(Choice { work, operands, kernel: "copy".to_string(), why })
    }
}

/// How much of a tile's arithmetic nobody needs.
fn in_vain(n: usize, columns: usize) -> String {
    let computed = n.next_multiple_of(columns);
    match (computed - n) * 100 / computed {
        0 => "nothing computed in vain".to_string(),
        percent => format!("{percent} % computed in vain"),
    }
}
