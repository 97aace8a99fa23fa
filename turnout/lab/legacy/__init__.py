"""Programs that run in the legacy models' own environments, never in the controlling process."""
