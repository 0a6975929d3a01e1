"""A condition for Winchester: `plugin_name`."""
