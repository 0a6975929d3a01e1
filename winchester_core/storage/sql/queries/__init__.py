"""The statements, one file for each table. Every function works inside its caller's transaction."""
