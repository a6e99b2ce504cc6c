"""How traffic signs are drawn, and photographed."""
