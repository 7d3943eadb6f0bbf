//! Algorithms without input, output or model: intervals, quantiles, grouping, enclosing ranges, correlation, top-k.

pub mod enclosed;
pub mod enclosing;
pub mod grouping;
pub mod intervals;
pub mod join;
pub mod quantile;
pub mod topk;
