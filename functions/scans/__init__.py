"""Members scan codes and see their recent scans."""
