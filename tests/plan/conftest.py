"""The places of the oracle, for plans as well."""

from tests.oracle.conftest import places as places
