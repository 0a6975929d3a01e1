"""plugin_noun for Winchester: `plugin_name`."""
