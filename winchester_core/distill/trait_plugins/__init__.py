"""The trait plugins that come with Winchester, one file each, loaded through entry points."""
