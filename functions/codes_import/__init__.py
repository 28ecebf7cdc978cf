"""Imports large files of manufactured codes, chunk by chunk."""
