"""The console commands. Only this package knows processes, terminals and signals."""
