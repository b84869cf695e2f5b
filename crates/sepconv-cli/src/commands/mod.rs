//! The commands, one file or folder each: its arguments, what it does, what it prints.

pub(crate) mod bench;
pub(crate) mod classify;
pub(crate) mod compare;
pub(crate) mod compile;
pub(crate) mod completions;
pub(crate) mod evaluate;
pub(crate) mod export;
pub(crate) mod factorize;
pub(crate) mod finetune;
pub(crate) mod inspect;
pub(crate) mod machine;
pub(crate) mod man;
pub(crate) mod models;
pub(crate) mod profile;
pub(crate) mod quantize;
pub(crate) mod run;
pub(crate) mod serve;
pub(crate) mod train;
pub(crate) mod tune;
