//! Exporters: metrics in the formats that monitoring systems read.

pub mod prometheus;
