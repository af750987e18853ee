"""Git as sopsync sees it: commits and what they hold, read by children that trust nothing a repository says."""

from __future__ import annotations

from sopsync.git.address import Address, address
from sopsync.git.commit import CommitInfo
from sopsync.git.history import History, Revision
from sopsync.git.remote import Access, Remote
from sopsync.git.repository import Repository
from sopsync.git.signature import Signature
from sopsync.git.tree import Tree, TreeEntry

__all__ = [
    "Access",
    "Address",
    "CommitInfo",
    "History",
    "Remote",
    "Repository",
    "Revision",
    "Signature",
    "Tree",
    "TreeEntry",
    "address",
]
