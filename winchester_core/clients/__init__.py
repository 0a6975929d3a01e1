"""Connections to brokers that a source and a handler share."""
