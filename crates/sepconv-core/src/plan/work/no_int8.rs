//! In place of the kernels of bytes, in a build without them: no layer has one.

use alloc::vec::Vec;
use core::{fmt, ops::Range};

use sepconv_kernels::Isa;

use super::{Operands, Work};
use crate::plan::chain::Geometry;

#[derive(Debug)]
pub(crate) enum Int8 {}

impl Int8 {
    pub(super) fn chain(_: Vec<Self>, _: Vec<Geometry>) -> Work {
        unreachable!("no layer is of bytes")
    }

    pub(super) fn together(&self) -> Option<&dyn fmt::Display> {
        match *self {}
    }

    pub(super) fn run(&self, _: Isa, _: &Operands<'_>, _: Range<usize>, _: usize, _: &mut [u8], _: &mut [u8]) {
        match *self {}
    }

    pub(super) fn unit(&self, _: Isa, _: usize) -> usize {
        match *self {}
    }

    pub(super) fn scratch_bytes(&self) -> usize {
        match *self {}
    }
}
