"""weakseg: benchmark suite for medical image segmentation with cheap annotation."""
