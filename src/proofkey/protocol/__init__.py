"""What the specifications say: values, rules and store protocols. No I/O, no clock, no framework."""
