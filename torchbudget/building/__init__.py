"""Builds what a zoo declares in a process of its own, as data that the judge reads.

`client` asks through a `connection`, `server` forks a process for each zoo file, `builder` runs in
it, `artefact` is the form of what it leaves. The judge's process imports no zoo file and no
network.
"""
