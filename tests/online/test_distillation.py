import pytest
import torch

from weakseg.online.distillation import Distillation, knowledge_distillation
from weakseg.types import Output

KD1 = Distillation(temperature=2.0, masked=False)
KD2 = Distillation(head="auxiliary")


def logits(seed, dtype=torch.float32):
    values = 3 * torch.randn(2, 1, 3, 4, 5, generator=torch.Generator().manual_seed(seed))
    return values.to(dtype)


def term(config, student, teacher, auxiliary=()):
    other = None if teacher is None else Output(teacher)
    ones = torch.ones_like(student)
    return config(Output(student, auxiliary=auxiliary), ones, ones, other)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
@pytest.mark.parametrize("masked", [False, True])
def test_equals_the_formula(temperature, masked):
    z, q = logits(0).double(), logits(1).double().sigmoid()
    p, soft = (z / temperature).sigmoid(), q ** (1 / temperature)
    m = q**2 + (1 - q) ** 2 if masked else 1
    expected = (-m * (soft * p.log() + (1 - soft) * (1 - p).log())).mean()
    got = knowledge_distillation(z, q.logit(), temperature=temperature, masked=masked)
    torch.testing.assert_close(got, expected)


def test_the_student_that_says_the_same_has_no_gradient_at_temperature_one():
    z = logits(0).requires_grad_()
    knowledge_distillation(z, z.detach(), masked=True).backward()
    assert z.grad.abs().max() < 1e-7


def test_the_teacher_gets_no_gradient():
    student, teacher = logits(0).requires_grad_(), logits(1).requires_grad_()
    term(Distillation(), student, teacher).backward()
    assert student.grad.abs().max() > 0
    assert teacher.grad is None


@pytest.mark.parametrize("config", [KD1, KD2])
def test_without_a_teacher_the_term_is_zero_with_zero_gradient(config):
    student, head = logits(0).requires_grad_(), logits(2).requires_grad_()
    loss = term(config, student, None, (head,))
    loss.backward()
    grad = student.grad if config.head == "main" else head.grad
    assert loss == 0
    assert (grad == 0).all()


def test_the_first_baseline_is_on_the_main_head_and_the_second_on_its_own():
    student, head, teacher = logits(0), logits(2), logits(1)
    first = knowledge_distillation(student, teacher, temperature=2.0)
    second = knowledge_distillation(head, teacher, masked=True)
    assert term(KD1, student, teacher, (head,)) == first
    assert term(KD2, student, teacher, (head,)) == second
    assert KD1.weight == KD2.weight == 0.4


def test_a_head_that_does_not_exist_is_an_error():
    with pytest.raises(ValueError, match="auxiliary head"):
        term(KD2, logits(0), logits(1))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_is_computed_in_float32_for_half_precision_logits(dtype):
    student, teacher = logits(0, dtype), logits(1, dtype)
    loss = term(Distillation(), student, teacher)
    assert loss.dtype == torch.float32
    assert loss == term(Distillation(), student.float(), teacher.float())


def test_is_finite_where_the_teacher_is_certain():
    student = (logits(0) * 50).requires_grad_()
    loss = term(Distillation(temperature=2.0), student, logits(1) * 1000)
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(student.grad).all()


def test_needs_a_teacher_and_no_layer():
    assert Distillation().needs_teacher
    assert Distillation().layers == ()


@pytest.mark.parametrize("wrong", [{"weight": -1.0}, {"temperature": 0.0}, {"head": "second"}])
def test_refuses_wrong_values(wrong):
    with pytest.raises(ValueError):
        Distillation(**wrong)
