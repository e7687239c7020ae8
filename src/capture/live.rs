//! Live capture on one device.
