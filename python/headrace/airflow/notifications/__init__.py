"""Notifications: mails that carry the receipt."""
