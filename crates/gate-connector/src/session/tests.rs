//! The session under scripted time: no sockets, no sleeps.

mod audit;
mod books;
mod dead_man;
mod handover;
mod links;
mod news;
mod obu;
mod order_entry;
mod orders;
mod pair_rules;
mod private;
mod reads;
mod recall;
mod rig;
mod terms;
mod window;
