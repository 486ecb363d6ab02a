//! A venue we own: matching, accounts, fees and faults behind each venue's own protocol.
//!
//! It is the judge in tests, so it shares no code with the engine. Start at [`world::World`], the in-process body under
//! virtual time; [`server`] puts the same world on loopback sockets.
//!
//! - [`core`] matches orders and keeps the only true ledger; it knows no protocol.
//! - [`market`] makes the books move from a seed.
//! - [`faults`] is what can be wrong with a venue, whatever it speaks.
//! - [`reading`] is how a protocol's bytes read to somebody on the wire.
//! - [`monitor`] records what arrived on the wire, independently of what became of it.
//! - [`world`] binds venues, market and one virtual clock.
//! - [`gate`] speaks Gate API v4 on top of the core, [`binance`] Binance spot, [`bybit`] Bybit API v5 (spot). [`protocols`] lists
//!   what is spoken.
//!
//! What it cannot show: its books are made by a model, so they react to our orders only as the model's refill does, and no
//! other trader competes for the same spread. Candles from before the start, where they are asked for, are made up, without a trade
//! behind them.

pub mod binance;
pub mod bybit;
pub mod core;
pub mod faults;
pub mod gate;
pub mod market;
pub mod monitor;
pub mod protocols;
pub mod reading;
pub mod server;
mod shared;
pub mod timing;
pub mod world;
