//! What the protocols of several venues need and none of them owns: [`text`] prints decimals and undoes escapes. Nothing here knows
//! a venue.

pub(crate) mod text;
