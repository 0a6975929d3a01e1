"""The built-in conditions, one a file: entry points of `winchester.conditions`.

They import only what the author of any other condition may: interfaces, model, timex, errors.
"""
