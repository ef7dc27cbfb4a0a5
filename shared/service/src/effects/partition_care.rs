//! The kind `partition_care`: the database's function does the work, so finishing writes nothing more.

pub use certmill_domain::schedule::PARTITION_CARE as KIND;
