//! Workspace tests: explicit targets only.
