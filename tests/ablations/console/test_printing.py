"""What is printed carries no key of a results location."""

from ablations.console.live import print_error


def test_an_error_that_quotes_the_location_is_printed_without_its_keys(capsys):
    print_error("PutObject failed on s3://KEY:SECRET@bucket/prefix")
    assert capsys.readouterr().err == "PutObject failed on s3://bucket/prefix\n"
