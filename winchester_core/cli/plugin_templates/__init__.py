"""Packages that `winchester plugin new` writes, one directory for each kind of plugin.

Placeholders are replaced: `winchester_core.cli.commands.plugin_new.template_variables`.
"""
