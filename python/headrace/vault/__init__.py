"""Change events into a Data Vault: the mapping file, its tables, loads, plans and the proof that the vault
equals its source. docs/vault.md has the rules.
"""

from headrace.vault.ddl import ddl as vault_ddl
from headrace.vault.load import VaultReceipt, vault_load
from headrace.vault.mapping import MappingError, VaultMapping, parse_mapping, read_mapping
from headrace.vault.plan import VaultPlan, vault_plan
from headrace.vault.verify import TableComparison, Verification, vault_verify

__all__ = [
    "MappingError",
    "TableComparison",
    "VaultMapping",
    "VaultPlan",
    "VaultReceipt",
    "Verification",
    "parse_mapping",
    "read_mapping",
    "vault_ddl",
    "vault_load",
    "vault_plan",
    "vault_verify",
]
