"""From the files of a commit and the rules of the config to the entries git wants, all still sealed."""

from __future__ import annotations

from sopsync.manifest.reading import File, Manifests, load

__all__ = ["File", "Manifests", "load"]
