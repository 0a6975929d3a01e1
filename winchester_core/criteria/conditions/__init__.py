"""The built-in conditions: entry points of `winchester.conditions`.

They import only what any plugin may import: interfaces, model, timex, errors.
"""
