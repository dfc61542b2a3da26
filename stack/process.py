"""Starting and ending programs in the background: the code of the package, which notebooks use as well."""

from headrace.embedded.process import NotReady, Process, identity, log_text, start, wait_ready, wait_until

__all__ = ["NotReady", "Process", "identity", "log_text", "start", "wait_ready", "wait_until"]
