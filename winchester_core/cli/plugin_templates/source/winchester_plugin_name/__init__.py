"""An event source for Winchester: `plugin_name`."""
