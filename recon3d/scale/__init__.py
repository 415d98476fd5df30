"""Scale: per-view depth scale, the metric scale and a levelled world."""
