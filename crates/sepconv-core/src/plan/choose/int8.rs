use alloc::format;
use alloc::vec::Vec;

use sepconv_kernels::{ConvGeometry, Tile, depthwise};

use super::{Choice, Planner, in_vain};
use crate::{
    Op, Result, ValueId,
    op::{ConvKind, QConv2d, QConvOutput, image},
    plan::{
        pack::Pack,
        pack_int8::{Constants, Layout},
        work::{
            Work,
            int8::{Depthwise, Filters, Int8, Matrix},
        },
    },
};

impl Planner<'_> {
    /// The kernel for an operator on bytes.
    pub(super) fn int8(&mut self) -> Result<Choice> {
        let (x, out) = (self.shape(self.node.inputs[0]), self.shape(self.node.output));
        Ok(match &self.node.op {
            Op::QConv2d(conv) => self.qconv2d(conv)?,
            Op::QBinary(binary) => {
                let (pairing, why) = self.pairing();
                self.plain(Int8::Binary { pair: binary.pair(), pairing }, "binary_int8", &why)
            }
            Op::QAveragePool(average) => {
                let work = Int8::Pool { pool: average.pool.geometry(x, out), mean: Some(average.mean()) };
                self.plain(work, "average_int8", "vectors of channels")
            }
            Op::Pool(pool) => {
                let work = Int8::Pool { pool: pool.geometry(x, out), mean: None };
                self.plain(work, "max_pool_int8", "vectors of channels")
            }
            op => unreachable!("{} is no operator on bytes", op.name()),
        })
    }

    /// A convolution of bytes: the kernels are those of floats.
    fn qconv2d(&mut self, qconv: &QConv2d) -> Result<Choice> {
        let (x, out) = (self.shape(self.node.inputs[0]).clone(), self.shape(self.node.output).clone());
        let operands: Vec<ValueId> = [0, 4].iter().filter_map(|&i| self.node.inputs.get(i).copied()).collect();
        let (work, kernel, why) = match qconv.kind(x.last()) {
            ConvKind::Pointwise => {
                let (k, n) = (x.last(), out.last());
                let m = out.elements() / n;
                let tile = Tile::choose_int8(self.isa, m, k, n);
                let filters = self.filters(qconv, Layout::Matrix(tile, k))?;
                let matrix = Matrix { tile, k, n, filters };
                let work = if m == 1 { Int8::Vector(matrix) } else { Int8::Pointwise(matrix) };
                let why = format!("{m} x {k} x {n}, {}", in_vain(n, tile.columns(self.isa)));
                (work, format!("pointwise_int8 {}", tile.name(self.isa)), why)
            }
            // Depthwise kernels take no residual and make bytes.
            ConvKind::Depthwise if matches!(qconv.output, QConvOutput::U8 { residual: None, .. }) => {
                let conv = ConvGeometry::depthwise(qconv.window, image(&x), image(&out));
                let variant = depthwise::Variant::choose(&conv);
                let filters = self.filters(qconv, Layout::Depthwise(variant, conv))?;
                let why = format!("{} channels, windows share the bytes of a column", conv.output[2]);
                (
                    Int8::Depthwise(Depthwise { variant, conv, filters }),
                    format!("depthwise_int8 {}", variant.name()),
                    why,
                )
            }
            kind => {
                let [input, output] = [image(&x), image(&out)];
                let conv = ConvGeometry { window: qconv.window, input, output, groups: qconv.groups };
                let per_group = conv.output[2] / conv.groups;
                let tile = conv.tile_int8(self.isa);
                let filters = self.filters(qconv, Layout::Conv2d(tile, conv))?;
                let why = format!("{kind}: read in place, {} along a row", in_vain(per_group, tile.columns(self.isa)));
                (Int8::Conv2d { tile, conv, filters }, format!("conv2d_int8 {}", tile.name(self.isa)), why)
            }
        };
        Ok(Choice { work: Work::Int8(work), operands, kernel, why })
    }

    /// Reserves memory for the constants of a layer.
    fn filters(&mut self, qconv: &QConv2d, layout: Layout) -> Result<Filters> {
        let constants = Constants::new(self.graph, self.node, qconv)?;
        let zero_points = constants.filters().zero_points();
        let packed = self.reserve.take(layout.len(self.isa, &constants));
        self.packs.push(Pack::Int8 { layout, constants, range: packed.clone() });
        Ok(Filters { packed, zero_points, output: qconv.output.clone() })
    }
}
