"""Triggers: definitions, matching of events, grouping into streams, and their progress. Pure."""
