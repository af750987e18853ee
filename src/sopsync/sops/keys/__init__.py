"""Key sources: one file for each kind of master key a SOPS file can name, imported only when a file needs it."""
