"""The built-in conditions: entry points of `winchester.conditions`.

They import only modules that every plugin may import: interfaces, model, timex, errors.
"""
