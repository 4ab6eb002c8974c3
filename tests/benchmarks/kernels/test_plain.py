import torch

from benchmarks.kernels import plain
from weakseg.losses import masked_crf


def test_plain_masked_crf_equals_a_shifted_sum():
    probs, image = torch.randn(2, 3, 7, 8).softmax(1), torch.rand(2, 1, 7, 8)
    mask = (torch.rand(2, 1, 7, 8) < 0.7).float()
    torch.testing.assert_close(plain.masked_crf(probs, image, mask), masked_crf(probs, image, mask))


def test_plain_affinity_is_symmetric_and_in_0_1():
    query, key = torch.randn(2, 9, 4), torch.randn(2, 9, 4)
    kernel = plain.affinity(query, key, torch.tensor([3.0]), torch.tensor([-0.5]))
    torch.testing.assert_close(kernel, kernel.transpose(1, 2))
    assert 0 < kernel.min() < kernel.max() < 1


def test_pair_mask_has_120_partners_inside_and_35_in_a_corner():
    pairs = plain.pair_mask(16, torch.device("cpu"))
    assert (pairs > 0).sum(1).max() == 120
    assert (pairs[0] > 0).sum() == 35
    assert torch.all(pairs.diagonal() == 0)
