"""Packages that `winchester plugin new` writes.

There is one directory for each kind of plugin; `package` has the files of every kind. Placeholders
are replaced: `winchester_core.cli.commands.plugin_new.template_variables`.
"""
