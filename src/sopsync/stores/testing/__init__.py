"""The specification of a store, as a test suite that anybody can run on their own."""
