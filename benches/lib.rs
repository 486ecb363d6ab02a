//! Workspace benches: explicit targets only.
