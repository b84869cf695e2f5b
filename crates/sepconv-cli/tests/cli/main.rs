//! The program as users and scripts start it.

mod commands;
mod compare;
mod errors;
mod networks;
mod photographs;
mod profile;
mod program;
mod quantize;
