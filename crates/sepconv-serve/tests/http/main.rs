//! The server as clients see it, over sockets.

mod batches;
mod client;
mod images;
mod limits;
mod protocol;
mod slow;
mod stopping;
