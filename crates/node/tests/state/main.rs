//! The state log as a whole node writes it: sweeps of damage, failing storage, checkpoints, full disks.

mod checkpoint;
mod full_disk;
mod names;
mod rig;
mod storage;
mod sweep;
