"""Pictures: what a file is, whether it is safe, and its renditions. Bytes in, dataclasses out.

Pure: Pillow, the standard library and our exceptions; no Django, no AWS. The worker and the Lambda share it.

probe       what a file is; refuses what we do not accept
renditions  every rendition of a picture from one decode
values      the dataclasses that go in and come out; probe and renditions name them too
geometry    sizes and crops, no pixels
formats     the formats that we read and write: one row each
signatures  first bytes → name of a format, or of a look-alike
headers     size in pixels from the first bytes, without a decoder
checksums   damage that a decoder overlooks
scans, gif  what a file asks of a decoder, counted before it runs
orientation EXIF orientation and what it does to a picture
apng        the first frame of a PNG with another picture in front of its animation
opening     the only place where Pillow's decoders meet foreign bytes
tiff        TIFFs that Pillow does not know or misreads, by name
drafting    JPEG decoded smaller than it is
memory      how much the pictures of a process may take at a time
apart       AVIF, TIFF and the largest, read by a child process with limits; child is what runs in it
averaging   every mode into one whose pixels can be averaged
pixels      colours
encoding    pixels → file without metadata

A picture that is something else as well (a ZIP or a film behind it, a script in a comment) is accepted, as
phones write such files: nothing but its pixels reaches a rendition, and its type is told by its first bytes.
HEIC is refused by name, since Pillow has no decoder for it (docs/architecture.md, Pictures).
"""
