"""sopsync reconciles SOPS-encrypted secrets from git to the stores that serve them."""

__version__ = "0.1.0"
