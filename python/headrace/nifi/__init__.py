"""Headrace in NiFi 2: processors for the palette, and the commands that put them and flows into a NiFi.

work: what the processors do, without NiFi: outcomes, receipts as attributes, errors as relationships.
base: NiFi's side of it, shared by all processors: properties, relationships, results.
processors: one file for each, as NiFi reads them. install: the archive with all of it. flows: definitions.
"""
