"""Files that `winchester init` writes; only the database's URL is replaced."""
