"""Pictures on meshes: an atlas of charts, and the colours that the photos give it."""
