"""Process control of long-running programs: signals, daemon, systemd, reload, exit."""
