"""How the platform is doing, for everybody to see."""
