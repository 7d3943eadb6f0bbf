//! What the analyses compute on and what they return: ids, event columns, strings, tables, sections.

pub mod events;
pub mod ids;
pub mod ints;
pub mod section;
pub mod step_mark;
pub mod strings;
pub mod table;
