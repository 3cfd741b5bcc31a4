//! Public data sets by name: found in the cache, in a local folder or at their address, and checked.
