"""The scripts of ``docs/scripts/`` and the web site that they are part of."""
