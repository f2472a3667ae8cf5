//! Soft sorting and laws on the Birkhoff polytope, on Flex in double precision.

mod isotonic;
mod networks;
mod rounding;
mod soft_orders;
mod stick_breaking;
mod support;
