"""A trait plugin for Winchester: `plugin_name`."""
