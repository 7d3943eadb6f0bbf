//! The two row sources agree: pages that are read directly, and rows that `SQLite` steps through.
//!
//! On sound files, of any shape, cell by cell. On damaged files each gives rows or an error, and where both give rows
//! they are the same.

mod agree;
mod corruption;
mod crafted;
mod damage;
mod image;
mod reading;
mod scene;
mod scene_strategy;
mod single_cases;
mod through_sqlite;
