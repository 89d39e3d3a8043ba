"""Bad input ends in one named error that says what to do and shows no secret; the federation goes on."""
