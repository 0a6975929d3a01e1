"""The packages that `winchester plugin new` writes, one directory for each kind of plugin.

They are written as they are, but for the words in `winchester_core.cli.commands.plugin_new.template_variables`.
"""
