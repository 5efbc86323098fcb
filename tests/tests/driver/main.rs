//! The client and its driver in a simulated network: no socket, no clock, and every run comes from a seed.

mod at_least_once;
mod back_pressure;
mod cancel;
mod credentials;
mod drops;
mod kit;
mod listen;
mod lives;
mod network;
mod overload;
mod panics;
mod parked;
mod reconnect;
mod request;
mod runner;
mod send;
mod simulation;
mod stale;
mod statistics;
mod subscribe;
mod transactions;
mod wakers;
