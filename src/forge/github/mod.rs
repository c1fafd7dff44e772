//! The GitHub adapter, over octocrab.
