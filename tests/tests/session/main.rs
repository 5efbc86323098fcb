//! The session in virtual time: face to face with the embedded broker, or with a script of what a broker might say.

mod acknowledge;
mod at_least_once;
mod attempts;
mod breaker;
mod brokers;
mod careful;
mod commands;
mod connect;
mod credentials;
mod disconnect;
mod errors;
mod failover;
mod frames;
mod heart_beats;
mod laws;
mod parity;
mod profiles;
mod receipts;
mod reconnect;
mod script;
mod secrets;
mod send;
mod storm;
mod subscriptions;
mod transactions;
mod unsubscribe;
