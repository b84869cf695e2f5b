use super::DepthwiseKernel;
use crate::ConvGeometry;

/// Names the kernels whose window is fixed when compiling, and runs them: the one list that selection, tests and
/// benches go by. A line here makes a kernel.
macro_rules! variants {
    ($($(#[$when:meta])? $variant:ident = $name:literal: kernel $kernel:literal, stride $stride:literal, up to $rows:literal rows at once,
        each column in $windows:literal windows;)*) => {
        /// A way to compute a depthwise convolution.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Variant {
            $(
                $(#[$when])?
                #[doc = concat!("A square kernel of ", $kernel, " at stride ", $stride, ", multiplier 1; dilated at stride 1 only.")]
                $variant,
            )*
            /// Any kernel, stride, dilation and multiplier.
            General,
        }

        /// Every kernel, fastest first for the shapes it fits.
        pub const VARIANTS: &[Variant] = &[$($(#[$when])? Variant::$variant,)* Variant::General];

        impl Variant {
            /// The name in plans and benches.
            pub fn name(self) -> &'static str {
                match self {
                    $($(#[$when])? Self::$variant => $name,)*
                    Self::General => "general",
                }
            }

            /// Kernel and stride, where they are fixed.
            pub(super) fn fixed(self) -> Option<(usize, usize)> {
                match self {
                    $($(#[$when])? Self::$variant => Some(($kernel, $stride)),)*
                    Self::General => None,
                }
            }
        }

        /// Runs the variant that `kernel` is for.
        #[inline(always)]
        pub(super) fn dispatch<S, D: DepthwiseKernel<S>>(kernel: D, simd: S) {
            match kernel.variant() {
                $($(#[$when])? Variant::$variant => kernel.fixed::<$kernel, $stride, $rows, $windows>(simd),)*
                Variant::General => kernel.general(simd),
            }
        }
    };
}

variants! {
    K3S1 = "k3s1": kernel 3, stride 1, up to 2 rows at once, each column in 3 windows;
    K3S2 = "k3s2": kernel 3, stride 2, up to 2 rows at once, each column in 2 windows;
    K5S1 = "k5s1": kernel 5, stride 1, up to 2 rows at once, each column in 5 windows;
    K5S2 = "k5s2": kernel 5, stride 2, up to 2 rows at once, each column in 3 windows;
    // Phones' networks have none: not worth a tenth of a module that is downloaded.
    #[cfg(not(target_family = "wasm"))]
    K7S1 = "k7s1": kernel 7, stride 1, up to 1 rows at once, each column in 7 windows;
    #[cfg(not(target_family = "wasm"))]
    K7S2 = "k7s2": kernel 7, stride 2, up to 1 rows at once, each column in 4 windows;
}

impl Variant {
    /// The fastest kernel for a shape.
    pub fn choose(dw: &ConvGeometry) -> Self {
        VARIANTS.iter().copied().find(|variant| variant.fits(dw)).unwrap_or(Self::General)
    }

    /// Whether this kernel computes that shape.
    pub fn fits(self, dw: &ConvGeometry) -> bool {
        let window = &dw.window;
        self.fixed().is_none_or(|(kernel, stride)| {
            window.kernel == [kernel; 2]
                && window.stride == [stride; 2]
                && (stride == 1 || window.dilation == [1; 2])
                && dw.multiplier() == 1
        })
    }
}
