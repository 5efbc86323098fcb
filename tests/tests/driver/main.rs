//! The client and its driver in a simulated network: no socket, no clock, and every run comes from a seed.

mod at_least_once;
mod back_pressure;
mod cancel;
mod closing;
mod credentials;
mod dial;
mod drops;
mod entropy;
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
mod transport;
mod wakers;
