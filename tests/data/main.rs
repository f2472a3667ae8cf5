//! `unbiased data`: downloads, imports and archives through the library, everything else through the real binary.

mod archives;
mod commands;
mod fetch;
mod server;
#[path = "../support/mod.rs"]
mod support;
