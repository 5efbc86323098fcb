//! The program `stomp` as a process, against the embedded broker: what it does, what it prints and how it ends.

mod asking;
mod checking;
mod files;
mod help;
mod moving;
mod receiving;
mod sending;
#[cfg(unix)]
mod terminal;
mod tool;
