//! A simulation: clients, brokers and the network between them on one thread, in virtual time, from a seed.

mod clock;
mod executor;
mod host;
mod pipe;
mod random;
mod stream;
mod task;
mod trace;
mod weather;
mod wire;
mod world;

pub use executor::Sim;
pub use pipe::Ending;
pub use random::Random;
pub use stomp_testkit::pair::Door;
pub use stream::SimStream;
pub use task::Task;
pub use weather::Weather;
pub use world::World;
