"""One file per version; a released file is never changed."""
