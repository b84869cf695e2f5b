//! The program as users and scripts start it.

mod commands;
mod compare;
mod errors;
mod photographs;
mod program;
mod quantize;
