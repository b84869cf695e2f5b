//! Blocks as strings, in the manner of timm: `ir_r2_k3_s2_e6_c24_se0.25_nre`.

use std::fmt::Display;

use sepconv_core::{Error, Result};
use sepconv_kernels::Activation;

/// The kinds of blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BlockKind {
    /// `ds`: depthwise, activation, \[squeeze-excite\], pointwise without activation. The first block of MobileNetV2
    /// and EfficientNet.
    Separable,
    /// `dsa`: the same with an activation after the pointwise convolution. MobileNetV1 (section 3.1).
    SeparableActivated,
    /// `ir`: expand, depthwise, \[squeeze-excite\], project; MobileNetV2 (section 3.3).
    InvertedResidual,
    /// `uir`: \[depthwise\], expand, \[depthwise\], \[squeeze-excite\], project; MobileNetV4 (section 3).
    UniversalInvertedResidual,
    /// `er`: a standard k×k convolution that expands, \[squeeze-excite\], project (also called fused inverted
    /// residual).
    EdgeResidual,
    /// `cn`: one standard convolution and an activation.
    Conv,
    /// `sh`: half of the channels stay, the others pass through a pointwise, a depthwise and a pointwise convolution,
    /// and both halves are shuffled; where shapes change, both are convolutions of all channels. ShuffleNetV2 (section
    /// 3.2).
    Shuffle,
    /// `gh`: ghost module that expands, \[strided depthwise\], \[squeeze-excite\], ghost module that projects; where
    /// shapes change, the shortcut is a depthwise and a pointwise convolution. A ghost module is a pointwise
    /// convolution to half of the channels, from which a depthwise one makes the others. GhostNet (section 3).
    Ghost,
    /// `gha`: the same with a gate on the expanded channels, which sees rows and columns of the input. GhostNetV2
    /// (section 4).
    GhostAttention,
}

impl BlockKind {
    const NAMES: [(&str, Self); 9] = [
        ("ds", Self::Separable),
        ("dsa", Self::SeparableActivated),
        ("ir", Self::InvertedResidual),
        ("uir", Self::UniversalInvertedResidual),
        ("er", Self::EdgeResidual),
        ("cn", Self::Conv),
        ("sh", Self::Shuffle),
        ("gh", Self::Ghost),
        ("gha", Self::GhostAttention),
    ];

    /// Whether the block ends with its activation.
    pub fn ends_activated(self) -> bool {
        matches!(self, Self::SeparableActivated | Self::Conv | Self::Shuffle)
    }

    /// Whether blocks of this kind have a residual where shapes allow one, unless they say otherwise.
    fn skips(self) -> bool {
        !matches!(self, Self::SeparableActivated | Self::Conv)
    }

    /// Whether the block is made of ghost modules.
    pub(super) fn is_ghost(self) -> bool {
        matches!(self, Self::Ghost | Self::GhostAttention)
    }

    /// Whether a block string has `e`.
    fn expands(self) -> bool {
        let residual = matches!(self, Self::InvertedResidual | Self::UniversalInvertedResidual | Self::EdgeResidual);
        residual || self.is_ghost()
    }

    /// Whether a block string may have `se`.
    fn squeezes(self) -> bool {
        !matches!(self, Self::Conv | Self::Shuffle)
    }
}

/// What a block string says. Channels are those of a network of width 1.
///
/// ```
/// use sepconv::zoo::{BlockKind, BlockSpec};
///
/// let spec: BlockSpec = "ir_r2_k3_s2_e6_c24".parse()?;
/// assert_eq!((spec.kind, spec.repeats, spec.channels), (BlockKind::InvertedResidual, 2, 24));
/// # Ok::<(), sepconv::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct BlockSpec {
    /// The kind: the letters that it begins with.
    pub kind: BlockKind,
    /// `r`: how many such blocks follow each other. Only the first has the stride.
    pub repeats: usize,
    /// `k`: the side of the depthwise (`cn`, `er`: standard) window; in `uir` 0 is no such convolution.
    pub kernel: usize,
    /// `a`: the side of the first depthwise window of `uir`; 0 is no such convolution.
    pub start_kernel: usize,
    /// `s`
    pub stride: usize,
    /// `e`: channels inside the block divided by those of its input.
    pub expansion: f64,
    /// `c`: channels of the result.
    pub channels: usize,
    /// `b`: convolutions that were trained in place of each of the block's own; 0 is itself. See
    /// [`Branch`](super::Branch).
    pub branches: usize,
    /// `se`: the channels that squeeze-excite squeezes to, divided by those that [`SqueezeBase`](super::SqueezeBase)
    /// names; 0 is no squeeze-excite.
    pub squeeze: f64,
    /// `n`: the activation where it is not the network's: `re` (ReLU), `r6` (ReLU6), `hs` (hard-swish), `sw` (SiLU).
    pub activation: Option<Activation>,
    /// Whether the input is added to the result (`sh`: half of it is part of the result) where both have one shape:
    /// `skip`, `noskip`, else what is usual for the kind (`dsa` and `cn` do not).
    pub skip: bool,
}

/// ReLU6, which has no name of its own among the kernels.
pub(super) const RELU6: Activation = Activation::Clip { low: 0.0, high: 6.0 };

impl std::str::FromStr for BlockSpec {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let mut fields = Fields::new(text)?;
        let kind = fields.kind;
        let universal = kind == BlockKind::UniversalInvertedResidual;
        let spec = Self {
            kind,
            repeats: fields.whole("r", 1..=1000, Some(1))?,
            kernel: fields.whole("k", if universal { 0..=99 } else { 1..=99 }, None)?,
            start_kernel: if universal { fields.whole("a", 0..=99, Some(0))? } else { 0 },
            stride: fields.whole("s", 1..=16, Some(1))?,
            // timm writes `e1` for blocks that do not expand, too.
            expansion: if kind.expands() {
                fields.ratio("e", 0.01, 100.0, None)?
            } else {
                fields.ratio("e", 1.0, 1.0, Some(1.0))?
            },
            channels: fields.whole("c", 1..=1_000_000, None)?,
            branches: fields.whole("b", 0..=99, Some(0))?,
            squeeze: if kind.squeezes() { fields.ratio("se", 0.0, 1.0, Some(0.0))? } else { 0.0 },
            activation: fields.activation()?,
            skip: fields.skip(kind.skips())?,
        };
        let strided = spec.stride > 1 && spec.kernel == 0 && spec.start_kernel == 0;
        match fields.rest.first() {
            Some(&(position, field)) => {
                Err(fields.error("block string has an unknown or repeated part", position).expected(
                    format!("each of r k a s e c b se n skip noskip at most once, as {} has them", fields.name),
                    field,
                ))
            }
            None if strided => Err(fields
                .error("block has a stride and no depthwise convolution", 0)
                .expected("k or a from 1, or s1", format_args!("s{}", spec.stride))),
            None => Ok(spec),
        }
    }
}

/// The parts of a block string that have not been understood yet, each with its position.
struct Fields<'a> {
    text: &'a str,
    name: &'a str,
    kind: BlockKind,
    rest: Vec<(usize, &'a str)>,
}

impl<'a> Fields<'a> {
    fn new(text: &'a str) -> Result<Self> {
        const LONGEST: usize = 200;
        if text.len() > LONGEST {
            return Err(Error::malformed("block string is too long")
                .expected(format_args!("at most {LONGEST} bytes"), text.len()));
        }
        let mut position = 0;
        let mut rest = Vec::new();
        for field in text.split('_') {
            rest.push((position, field));
            position += field.len() + 1;
        }
        let (_, name) = rest.remove(0);
        let found = BlockKind::NAMES.iter().find(|(known, _)| *known == name);
        let mut fields = Self { text, name, kind: BlockKind::Conv, rest };
        let &(_, kind) = found.ok_or_else(|| {
            let names = BlockKind::NAMES.map(|(name, _)| name).join(", ");
            fields
                .error("block string begins with no known kind", 0)
                .expected(format!("one of {names}"), format!("{name:?}"))
        })?;
        fields.kind = kind;
        Ok(fields)
    }

    fn error(&self, what: &str, position: usize) -> Error {
        Error::malformed(what).at(format!(
            "block string {:?}, character {}",
            self.text,
            self.text[..position].chars().count() + 1
        ))
    }

    /// Takes the part that begins with `key`, and where its value stands.
    fn take(&mut self, key: &str) -> Option<(usize, &'a str)> {
        /// Longer ones first.
        const KEYS: [&str; 10] = ["noskip", "skip", "se", "r", "k", "a", "s", "e", "c", "b"];
        let key_of = |field: &str| KEYS.into_iter().find(|key| field.starts_with(key));
        let at = self.rest.iter().position(|(_, field)| key_of(field) == Some(key))?;
        let (position, field) = self.rest.remove(at);
        Some((position + key.len(), &field[key.len()..]))
    }

    fn number<T: std::str::FromStr>(
        &mut self,
        key: &str,
        default: Option<T>,
        fits: impl Fn(&T) -> bool,
        expected: impl Display,
    ) -> Result<T> {
        let Some((position, value)) = self.take(key) else {
            return default.ok_or_else(|| {
                self.error(&format!("block string lacks {key:?}"), self.text.len())
                    .expected(format!("{key} and {expected}"), "nothing")
            });
        };
        let parsed = value.parse().ok().filter(fits);
        parsed.ok_or_else(|| {
            self.error(&format!("block string has a wrong {key:?}"), position).expected(&expected, format!("{value:?}"))
        })
    }

    fn whole(&mut self, key: &str, range: std::ops::RangeInclusive<usize>, default: Option<usize>) -> Result<usize> {
        let expected = format!("a whole number from {} to {}", range.start(), range.end());
        self.number(key, default, |number| range.contains(number), expected)
    }

    fn ratio(&mut self, key: &str, least: f64, most: f64, default: Option<f64>) -> Result<f64> {
        self.number(
            key,
            default,
            |&ratio: &f64| (least..=most).contains(&ratio),
            format!("a number from {least} to {most}"),
        )
    }

    fn activation(&mut self) -> Result<Option<Activation>> {
        let Some(at) = self.rest.iter().position(|(_, field)| field.starts_with('n') && *field != "noskip") else {
            return Ok(None);
        };
        let (position, field) = self.rest.remove(at);
        match &field[1..] {
            "re" => Ok(Some(Activation::Relu)),
            "r6" => Ok(Some(RELU6)),
            "hs" => Ok(Some(Activation::HardSwish)),
            "sw" => Ok(Some(Activation::Silu)),
            other => Err(self
                .error("block string has an unknown activation", position + 1)
                .expected("one of re, r6, hs, sw", format!("{other:?}"))),
        }
    }

    fn skip(&mut self, usual: bool) -> Result<bool> {
        let Some(at) = self.rest.iter().position(|(_, field)| ["skip", "noskip"].contains(field)) else {
            return Ok(usual);
        };
        Ok(self.rest.remove(at).1 == "skip")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<BlockSpec> {
        text.parse()
    }

    #[test]
    fn strings_say_what_a_block_is() {
        let spec = parse("ir_r4_k5_s2_e3.67_c40_se0.25_nhs_noskip").unwrap();
        let expected = BlockSpec {
            kind: BlockKind::InvertedResidual,
            repeats: 4,
            kernel: 5,
            start_kernel: 0,
            stride: 2,
            expansion: 3.67,
            channels: 40,
            branches: 0,
            squeeze: 0.25,
            activation: Some(Activation::HardSwish),
            skip: false,
        };
        assert_eq!(spec, expected);
        assert_eq!(parse("ir_nhs_c40_noskip_se0.25_s2_e3.67_k5_r4").unwrap(), expected, "in any order");
        let spec = parse("uir_a3_k0_e4_c96").unwrap();
        assert_eq!((spec.start_kernel, spec.kernel, spec.repeats, spec.stride, spec.skip), (3, 0, 1, 1, true));
        assert!(!parse("cn_k3_c64").unwrap().skip && parse("cn_k3_c64_skip").unwrap().skip);
        assert!(parse("ds_k3_c64").unwrap().skip && !parse("dsa_k3_c64").unwrap().skip);
        assert!(parse("ds_k3_e1_c16").is_ok(), "as timm writes it");
        assert_eq!(parse("dsa_k3_c64_b4").unwrap().branches, 4);
    }

    #[test]
    fn an_error_names_the_string_and_the_position() {
        for (text, position, part) in [
            ("", 1, "got \"\""),
            ("xy_k3_c8", 1, "one of ds, dsa, ir, uir, er, cn, sh, gh, gha"),
            ("ir_r2_kx_e6_c24", 8, "got \"x\""),
            ("ir_r2_k_e6_c24", 8, "got \"\""),
            ("ir_k3_e6", 9, "lacks \"c\""),
            ("ir_k3_c24", 10, "lacks \"e\""),
            ("ir_k3_e6_c24_q1", 14, "got q1"),
            ("ir_k3_e6_c24_k5", 14, "got k5"),
            ("ir_k3_e6_c24_nxx", 15, "re, r6, hs, sw"),
            ("ir_k3_e6_c24_skip_noskip", 19, "got noskip"),
            ("ir_k3_eNaN_c24", 8, "NaN"),
            ("ir_k3_e-6_c24", 8, "got \"-6\""),
            ("ir_r1000000000_k3_e6_c24", 5, "from 1 to 1000"),
            ("ir_k3_e6_c99999999999999999999", 11, "1000000"),
            ("ir_k0_e6_c24", 5, "from 1 to 99"),
            ("ir_k3_s0_e6_c24", 8, "from 1 to 16"),
            ("ds_k3_e6_c24", 8, "from 1 to 1"),
            ("cn_k3_c24_se0.25", 11, "got se0.25"),
            ("sh_k3_e6_c24", 8, "from 1 to 1"),
            ("uir_k0_s2_e4_c8", 1, "no depthwise"),
            ("ir__k3_e6_c24", 4, "unknown"),
        ] {
            let error = parse(text).unwrap_err().to_string();
            let place = format!("block string {text:?}, character {position}");
            assert!(error.contains(&place) && error.contains(part), "{error}");
        }
    }
}
