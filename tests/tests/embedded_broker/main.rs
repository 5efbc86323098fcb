//! The embedded broker, octet by octet in virtual time, and over real sockets.

mod acknowledgement;
mod conversation;
mod delivery;
mod denials;
mod errors;
mod faults;
mod features;
mod habits;
mod heart_beats;
mod nonsense;
mod presets;
mod program;
mod returns;
mod sockets;
mod stubs;
mod transactions;
mod versions;
mod waiting;
mod wire;
