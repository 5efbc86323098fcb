#![doc = include_str!("guide.md")]
#![allow(unused_imports, reason = "for its links")]

use super::*;

#[doc = include_str!("guide/cookbook.md")]
pub mod cookbook {
    use super::super::*;
}

#[doc = include_str!("guide/faq.md")]
pub mod faq {
    use super::super::*;
}

#[doc = include_str!("guide/from_iridium_stomp.md")]
pub mod from_iridium_stomp {
    use super::super::*;
}

#[doc = include_str!("guide/from_jms.md")]
pub mod from_jms {
    use super::super::*;
}

#[doc = include_str!("guide/from_stomp_py.md")]
pub mod from_stomp_py {
    use super::super::*;
}

#[doc = include_str!("guide/from_stompest.md")]
pub mod from_stompest {
    use super::super::*;
}
