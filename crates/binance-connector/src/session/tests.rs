//! The session under scripted time: no sockets, no sleeps.

mod account_rig;
mod books;
mod links;
mod orders;
mod other;
mod private;
mod rig;
