"""Texts as letters show them: sanitized, cut to fit, and with figures put into words."""
