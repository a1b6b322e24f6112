//! A simulated WhatsApp Business Cloud API for tests, the demo and load tests.
