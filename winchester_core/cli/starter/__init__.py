"""The files that `winchester init` writes, as they are but for the database's URL."""
