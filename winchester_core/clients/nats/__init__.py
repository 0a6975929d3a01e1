"""Connection to NATS servers, and its parameters."""
