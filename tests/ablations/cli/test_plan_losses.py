"""`ablate plan` says what papers call the loss of an arm, beside the label that records have."""

from ablations.cli.parser import main


def test_plan_shows_the_names_of_losses(tmp_path, capsys):
    (tmp_path / "own.py").write_text(
        "from ablations import Study\n"
        "STUDY = Study(question='?', factors={'objective': ('ce', 'logit_adjusted', 'ce + 0.5*circle')},\n"
        "              baseline={'objective': 'ce'})\n"
    )
    assert main(["plan", str(tmp_path / "own.py"), "--results", str(tmp_path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "  objective=ce   CE   (baseline)" in lines
    assert "  objective=logit_adjusted   logit adjustment" in lines
    assert "  objective=ce + 0.5*circle   CE + 0.5·circle" in lines


def test_a_treatment_with_the_name_of_its_loss_is_not_named_twice(tmp_path, capsys):
    (tmp_path / "own.py").write_text(
        "from ablations import Study\n"
        "STUDY = Study(question='?', treatments={'CE': {'objective': 'ce'}, 'rival': {'objective': 'focal'}},\n"
        "              baseline='CE')\n"
    )
    assert main(["plan", str(tmp_path / "own.py"), "--results", str(tmp_path)]) == 0
    assert {"  CE   (baseline)", "  rival   focal"} <= set(capsys.readouterr().out.splitlines())
