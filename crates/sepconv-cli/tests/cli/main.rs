//! The program as users and scripts start it.

mod cases;
mod commands;
mod compare;
mod documentation;
mod errors;
mod escaping;
mod factorize;
mod labels;
mod memory;
mod networks;
mod outputs;
mod photographs;
mod profile;
mod program;
#[allow(dead_code, reason = "the tests of malformed files write more kinds of fields")]
#[path = "../../../sepconv/tests/hostile/protobuf.rs"]
mod protobuf;
mod quantize;
mod recognized;
#[cfg(all(feature = "serve", unix))]
mod serve;
mod tensors;
mod tune;
