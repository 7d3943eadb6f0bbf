//! Algorithms without input, output or model: intervals, gaps, quantiles, grouping, enclosing and nested ranges,
//! correlation, top-k.

pub mod by_kind;
pub mod enclosed;
pub mod enclosing;
pub mod gaps;
pub mod grouping;
pub mod intervals;
pub mod join;
pub mod nested;
pub mod quantile;
pub mod topk;
