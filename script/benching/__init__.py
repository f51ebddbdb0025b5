"""The parts of script/bench: a module for each group of rows."""
