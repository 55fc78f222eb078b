//! The `maskgate` command.

fn main() {}
