"""What Rekognition reads from S3, by its documented limits.

https://docs.aws.amazon.com/rekognition/latest/dg/limits.html
"""

FORMATS = ("JPEG", "PNG")
MIN_SIDE = 80  # pixels
MAX_BYTES = 15 * 1024 * 1024
