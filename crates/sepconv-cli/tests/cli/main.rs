//! The program as users and scripts start it.

mod commands;
mod errors;
mod photographs;
mod profile;
mod program;
mod quantize;
