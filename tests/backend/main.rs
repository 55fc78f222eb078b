//! The embedded backend, asked as its clients ask it: in process, and a few times by socket.

mod accounts;
mod errors;
mod faults;
mod model;
mod numbers;
mod operations;
mod pages;
mod shapes;
mod sockets;
mod support;
mod time;
