//! The program as users and scripts start it.

mod commands;
mod errors;
mod networks;
mod photographs;
mod program;
mod quantize;
