"""Packages that `winchester plugin new` writes.

There is one directory for each kind of plugin; `package` contains the files that all kinds share.
Placeholders are replaced: `winchester_core.cli.commands.plugin_new.template_variables`.
"""
