"""A handler for Winchester: `plugin_name`."""
