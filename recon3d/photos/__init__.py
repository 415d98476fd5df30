"""Photos: any file a camera writes becomes an upright sRGB array with a calibration."""
