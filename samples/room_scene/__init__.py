"""The furnished room behind samples/room: pictures, materials, shapes, furniture, path, photos and truth."""
