"""What is made of a fused surface: cleaned, mended, smoothed, made smaller."""
