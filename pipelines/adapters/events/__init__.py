"""Event sources other than object stores."""
