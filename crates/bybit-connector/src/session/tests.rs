//! The session under scripted time: no sockets, no sleeps.

mod books;
mod links;
mod rig;
